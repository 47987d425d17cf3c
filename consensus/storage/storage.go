// Package storage is the contract of what a node of a consensus cluster keeps on stable storage: an
// ordered map of keys to values. The log, the votes and, where there is no directory for them, the
// snapshots are written on top of it once, so that an engine is a thin package of its own.
//
// The engines are in the folders below; storagetest holds the tests that each of them passes and that
// an engine of yours should pass before it is trusted.
package storage

import (
	"context"
	"errors"
)

// ErrNotFound says that there is no value for a key.
var ErrNotFound = errors.New("key not found")

// ErrClosed says that the storage has been closed.
var ErrClosed = errors.New("storage is closed")

// ErrFailed says that a write has failed, or that the storage was taken away, so that what the engine has in memory
// cannot be trusted any more. All further calls fail with it; what was answered before is there when the storage is
// closed and opened again.
var ErrFailed = errors.New("storage has failed")

// Storage is an ordered map from keys to values that survives the end of the process and of the machine.
//
// Keys are compared byte by byte and are neither empty nor longer than [MaxKey]. Values may be empty
// and are at most [MaxValue] long; others are refused with [ErrNotAllowed]. Slices handed in are not kept, slices
// handed out are the caller's.
// All methods are safe for concurrent use by several goroutines of one process; a second process that opens
// the same storage must be refused while the first one has it.
//
// What a write has answered without an error is on stable storage and is seen by every read that begins
// afterwards. After an error, or a crash before the answer, a single write has happened or has not; of a Batch,
// the operations up to some point have happened, in their order, and none behind that point. A batch that is refused
// with [ErrNotAllowed] has done nothing. An engine may give up after a failed write and answer nothing
// any more until it is opened again ([ErrFailed]); it must not answer wrongly, and a full disk must not cost what was
// answered before.
//
// A context that ends makes a call return early where the engine can; the outcome of a write is unknown then.
type Storage interface {
	// Set writes one value.
	Set(ctx context.Context, key, value []byte) error
	// Get returns the value of a key, or an error that is ErrNotFound.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Delete removes a key. One that is not there is no error.
	Delete(ctx context.Context, key []byte) error
	// Batch does all operations in their order and syncs once. It may be as large as memory allows.
	Batch(ctx context.Context, operations []Operation) error
	// GetRange returns what is in a range, in the order of the keys or the other way round.
	GetRange(ctx context.Context, r Range) ([]Pair, error)
	// Close waits for calls that run and ends the use of the storage. Calls afterwards fail with ErrClosed; a second
	// Close does nothing.
	Close() error
}

// The sizes up to which every engine takes keys and values, in bytes.
const (
	MaxKey   = 512
	MaxValue = 64 << 20
)

// Operation is one step of a Batch.
type Operation struct {
	Key, Value []byte
	// Delete removes the key; Value is not looked at.
	Delete bool
}

// Range selects the keys from Start on and before End. A nil Start means from the first key on, a nil End
// to the last one. Both may be any bytes. The first or the last pair of a range (Limit 1, with Reverse) is found without
// looking at the others.
type Range struct {
	Start, End []byte
	// Reverse begins with the last key of the range.
	Reverse bool
	// Limit is the largest number of pairs returned; 0 means all.
	Limit int
	// KeysOnly leaves the values out.
	KeysOnly bool
}

// Pair is a key and its value.
type Pair struct{ Key, Value []byte }

// Directory is implemented by storages that live in a directory of this machine. Snapshots are then kept as
// files below it: they are large, written once and read from their beginning to their end.
type Directory interface {
	// Directory returns the path of the directory, which exists. Names in it that begin with "snapshots" are
	// not the storage's.
	Directory() string
}
