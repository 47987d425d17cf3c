//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// tryLock uses flock: it belongs to the open file, so that goroutines of one process that opened
// the file separately exclude each other as processes do.
func tryLock(f *os.File) (bool, error) {
	err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	return control(f, func(fd uintptr) error {
		for {
			err := syscall.Flock(int(fd), how)
			if err != syscall.EINTR {
				return err
			}
		}
	})
}
