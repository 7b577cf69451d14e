package nightbell

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

var (
	guardOnce       sync.Once
	wireIn, wireOut *os.File
)

// The host says who we are: then nothing that is printed may reach the wire, from the first line of the program on.
func init() {
	if os.Getenv("NIGHTBELL_PLUGIN") != "" {
		guard()
	}
}

// guard takes standard input and output away, once: what anybody reads from then on is empty, and what anybody
// prints, a child too, goes to standard error.
func guard() (*os.File, *os.File) {
	guardOnce.Do(func() {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			leave(1, err.Error())
		}
		defer null.Close()
		wireIn, wireOut = taken(0, "input"), taken(1, "output")
		from := 2
		if _, err := os.Stderr.Stat(); err != nil {
			from = int(null.Fd())
		}
		for _, err := range []error{replace(int(null.Fd()), 0), replace(from, 1)} {
			if err != nil {
				leave(1, "the wire could not be guarded: "+err.Error())
			}
		}
	})
	return wireIn, wireOut
}

func taken(fd int, name string) *os.File {
	copied, err := syscall.Dup(fd)
	if err != nil {
		leave(1, "there is no standard "+name+": "+err.Error())
	}
	syscall.CloseOnExec(copied)
	return os.NewFile(uintptr(copied), "wire "+name)
}

// leave ends the program now: work that hangs must not keep it.
func leave(status int, why string) {
	if why != "" {
		fmt.Fprintln(os.Stderr, "nightbell-plugin:", why)
	}
	os.Exit(status)
}
