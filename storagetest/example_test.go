package storagetest_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/storagetest"
)

// A Database stands for whatever you have: something that keeps rows with a version, and changes
// one in a single step. Here it is a map behind a lock.
type Database struct {
	mu   sync.Mutex
	rows map[string]Row
}

// A Row is an object and its version.
type Row struct {
	Data    []byte
	Version int
}

// Get implements s3lect.Storage.
func (d *Database) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	row, ok := d.rows[key]
	if !ok {
		return nil, "", fmt.Errorf("row %q: %w", key, s3lect.ErrStorageNotFound)
	}
	return bytes.Clone(row.Data), strconv.Itoa(row.Version), nil
}

// PutIfMatch implements s3lect.Storage. In SQL it would be
//
//	UPDATE rows SET data = ?, version = version + 1 WHERE key = ? AND version = ?
//
// or, where the ETag is empty, INSERT ... ON CONFLICT DO NOTHING; no row changed means that the
// condition did not hold.
func (d *Database) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	row, exists := d.rows[key]
	current := ""
	if exists {
		current = strconv.Itoa(row.Version)
	}
	if etag != current {
		return fmt.Errorf("row %q: %w", key, s3lect.ErrStoragePrecondition)
	}
	d.rows[key] = Row{Data: bytes.Clone(data), Version: row.Version + 1}
	return nil
}

// Whoever implements s3lect.Storage calls the suite from a test.
func TestDatabase(t *testing.T) {
	storagetest.Run(t, func(*testing.T) s3lect.Storage {
		return &Database{rows: map[string]Row{}}
	})
}

// A storage of one's own is a type with two methods, such as the Database of this example. It is
// tested by the suite, and then used as any other.
func Example() {
	storage := &Database{rows: map[string]Row{}}
	fmt.Println(storage.PutIfMatch(context.Background(), "leader.json", []byte("first"), ""))
	fmt.Println(storage.PutIfMatch(context.Background(), "leader.json", []byte("second"), ""))
	// Output:
	// <nil>
	// row "leader.json": object has changed: precondition failed
}
