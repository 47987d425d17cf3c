// Package filelock holds advisory locks on open files, across processes and within one. The
// operating system drops a lock when its holder ends, however it ends.
package filelock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// Pauses between two attempts at a lock that somebody else holds. Holders are expected to need
// far less than a millisecond.
const (
	minPause = 100 * time.Microsecond
	maxPause = 10 * time.Millisecond
)

// Lock waits until f is locked exclusively by this open file, or until ctx ends. It polls, with
// pauses that grow and are random, because a blocking lock call cannot be interrupted and would
// leave a goroutine behind. Waiters are not served in any order.
func Lock(ctx context.Context, f *os.File) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		locked, err := tryLock(f)
		if err != nil {
			return fmt.Errorf("lock file %s: %w", f.Name(), err)
		}
		if locked {
			return nil
		}
		timer.Reset(pause/2 + rand.N(pause)) //nolint:gosec // a pause is no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for lock file %s, which another writer holds: %w", f.Name(), ctx.Err())
		}
	}
}

// Unlock gives the lock up. Closing the file does so too, unless a child process that is just being
// started still shares it.
func Unlock(f *os.File) error {
	if err := unlock(f); err != nil {
		return fmt.Errorf("unlock file %s: %w", f.Name(), err)
	}
	return nil
}

// control runs fn with the descriptor or handle of f, which stays open meanwhile.
func control(f *os.File, fn func(fd uintptr) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	if err := conn.Control(func(fd uintptr) { failure = fn(fd) }); err != nil {
		return err
	}
	return failure
}
