package bbolt

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// update writes in a transaction.
func (s *Storage) update(write func(*bbolt.Bucket) error) (err error) {
	defer func() { err = s.damaged(recover(), err) }()
	return s.db.Update(func(tx *bbolt.Tx) error { return write(tx.Bucket(bucketName)) })
}

// view reads in a transaction.
func (s *Storage) view(read func(*bbolt.Bucket) error) (err error) {
	defer func() { err = s.damaged(recover(), err) }()
	return s.db.View(func(tx *bbolt.Tx) error { return read(tx.Bucket(bucketName)) })
}

// damaged makes an error of a panic, which is what the engine does where a page is not what it should be.
func (s *Storage) damaged(reason any, err error) error {
	if reason == nil {
		return err
	}
	return s.guard.Fail(fmt.Errorf("%s is damaged: %v", s.db.Path(), reason))
}

// checkFile looks at all pages of the tree before the engine does, which panics in a goroutine of its own when it opens a
// file with a page that is not what it should be.
func checkFile(path string) (err error) {
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // it will be made
	}
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%s is damaged: %v", path, reason)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockTime})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(readAll)
}

func readAll(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
		return bucket.ForEach(func(_, _ []byte) error { return nil })
	})
}
