package raftstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// errNotFound has the very text by which the engine knows that a value was never set.
var errNotFound = errors.New("not found")

func stableKey(key []byte) []byte { return append([]byte{spaceStable}, key...) }

// Set keeps a value.
func (s *Store) Set(key, value []byte) error {
	stored := stableKey(key)
	if err := s.storage.Set(context.Background(), stored, seal(stored, value)); err != nil {
		return fmt.Errorf("write stable value %q: %w", key, err)
	}
	return nil
}

// Get returns a value. The text of the error is "not found" if it was never set.
func (s *Store) Get(key []byte) ([]byte, error) {
	stored := stableKey(key)
	sealed, err := s.storage.Get(context.Background(), stored)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read stable value %q: %w", key, err)
	}
	return unseal(fmt.Sprintf("stable value %q", key), stored, sealed)
}

// SetUint64 keeps a number.
func (s *Store) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns a number. The text of the error is "not found" if it was never set.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, &CorruptError{What: fmt.Sprintf("stable value %q", key), Err: fmt.Errorf("it has %d bytes instead of 8", len(value))}
	}
	return binary.BigEndian.Uint64(value), nil
}
