package demo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/filelock"
)

// settle is how long a process has to come to a halt after it was told to.
const settle = 50 * time.Millisecond

// freezeApart freezes a process while it does not hold the lock of the directory that all share. One
// that is frozen in the microseconds in which it does keeps everybody else from writing: a limit of
// the storage on a directory, which is not what the demo shows.
func freezeApart(ctx context.Context, p *os.Process, storageDir string) error {
	lock, err := os.OpenFile(filepath.Join(storageDir, ".s3lect", "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return freeze(p) // nobody has written yet
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := filelock.Lock(ctx, lock); err != nil {
		return err
	}
	if err := freeze(p); err != nil {
		return err
	}
	halted := time.NewTimer(settle)
	defer halted.Stop()
	select {
	case <-halted.C:
	case <-ctx.Done():
	}
	return nil
}
