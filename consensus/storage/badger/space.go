package badger

import (
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// Reserve is how many bytes must be free on the disk for a write to be taken. It is what the engine may have
// under way: its write-ahead logs, the tables it writes from memory, and a compaction.
const Reserve = 128 << 20

// ErrDiskFull says that less than [Reserve] is free on the disk. The write has not been begun.
var ErrDiskFull = errors.New("disk is nearly full")

func checkSpace(directory string, operations []storage.Operation) error {
	free, known, err := freeSpace(directory)
	if err != nil {
		return fmt.Errorf("ask how much of the disk with %s is free: %w", directory, err)
	}
	if !known {
		return nil
	}
	size := uint64(0)
	for _, operation := range operations {
		size += uint64(len(operation.Key) + len(operation.Value))
	}
	return checkSpaceOf(directory, free, size)
}

func checkSpaceOf(directory string, free, size uint64) error {
	needed := Reserve + 2*size // in the log and in a table
	if free < needed {
		return fmt.Errorf("%w: %d MiB are free on the disk with %s, %d MiB must be", ErrDiskFull, free>>20, directory, needed>>20)
	}
	return nil
}
