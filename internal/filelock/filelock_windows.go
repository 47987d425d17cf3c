package filelock

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel32.NewProc("LockFileEx")
	unlockFileEx = kernel32.NewProc("UnlockFileEx")
)

const (
	failImmediately = 1
	exclusive       = 2
	lockedBytes     = 1

	errLockViolation = syscall.Errno(33)
)

func tryLock(f *os.File) (bool, error) {
	err := control(f, func(fd uintptr) error {
		var at syscall.Overlapped
		ok, _, err := lockFileEx.Call(fd, exclusive|failImmediately, 0, lockedBytes, 0, uintptr(unsafe.Pointer(&at)))
		if ok == 0 {
			return err
		}
		return nil
	})
	if errors.Is(err, errLockViolation) || errors.Is(err, syscall.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error {
	return control(f, func(fd uintptr) error {
		var at syscall.Overlapped
		ok, _, err := unlockFileEx.Call(fd, 0, lockedBytes, 0, uintptr(unsafe.Pointer(&at)))
		if ok == 0 {
			return err
		}
		return nil
	})
}
