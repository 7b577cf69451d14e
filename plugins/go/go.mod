module nightbell

go 1.19
