package bbolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

const (
	fileName = "data.db"
	// lockName is an empty file of the same kind that is locked as long as the storage is open.
	lockName   = "lock.db"
	shrunkName = "data.shrunk"
	// shrinkFrom is the size below which a file is left as it is.
	shrinkFrom = 64 << 20
)

// openShrunk opens the file in a directory. If more than half of a large one is free, what is in it is copied to a
// smaller one first.
func openShrunk(directory string) (*bbolt.DB, error) {
	path, shrunk := filepath.Join(directory, fileName), filepath.Join(directory, shrunkName)
	if err := checkFile(path); err != nil {
		return nil, err
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if err := createBucket(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// A crash may have left the copy.
	if err := os.Remove(shrunk); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, db.Close())
	}
	if !mostlyFree(db) {
		return db, nil
	}
	if err := copyTo(shrunk, db); err != nil {
		// A smaller file is not needed to go on, and the disk may be full.
		_ = os.Remove(shrunk)
		return db, nil //nolint:nilerr // the larger file does as well
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(shrunk, path); err != nil {
		return nil, err
	}
	if err := syncDirectory(directory); err != nil {
		return nil, err
	}
	return openFile(path)
}

func mostlyFree(db *bbolt.DB) bool {
	var size int64
	if err := db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return false
	}
	free := int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
	return size >= shrinkFrom && free > size/2
}

func copyTo(path string, from *bbolt.DB) error {
	to, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	if err := bbolt.Compact(to, from, 1<<20); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return fmt.Errorf("finish %s: %w", path, err)
	}
	return nil
}

func syncDirectory(directory string) error {
	d, err := os.Open(directory)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
