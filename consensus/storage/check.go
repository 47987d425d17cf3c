package storage

import (
	"errors"
	"fmt"
)

// ErrNotAllowed says that a key is empty or longer than [MaxKey], or that a value is longer than [MaxValue].
var ErrNotAllowed = errors.New("key or value is not allowed")

// CheckKey is for engines: it returns an error if a key is empty or too long.
func CheckKey(key []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("%w: the key is empty", ErrNotAllowed)
	}
	if len(key) > MaxKey {
		return fmt.Errorf("%w: the key %.20q... has %d bytes, at most %d are possible", ErrNotAllowed, key, len(key), MaxKey)
	}
	return nil
}

// CheckBatch is for engines: it returns an error if an operation has a key or a value that is not allowed. Engines
// call it before they do the first one.
func CheckBatch(operations []Operation) error {
	for i := range operations {
		if err := CheckKey(operations[i].Key); err != nil {
			return err
		}
		if size := len(operations[i].Value); size > MaxValue && !operations[i].Delete {
			return fmt.Errorf("%w: the value of %q has %d bytes, at most %d are possible",
				ErrNotAllowed, operations[i].Key, size, MaxValue)
		}
	}
	return nil
}
