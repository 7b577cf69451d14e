module ports

go 1.19
