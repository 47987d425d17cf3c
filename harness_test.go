package s3lect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// latency of every call of a memStorage, in the fake time of a synctest bubble.
const latency = 10 * time.Millisecond

// memStorage is a linearizable storage with a latency, and a place to put faults in.
type memStorage struct {
	mu                     sync.Mutex
	objects                map[string][]byte
	reads, writes, refused int

	// before is called before a call has any effect; its error is what the caller gets.
	before func(ctx context.Context, op string) error
}

func newMemStorage() *memStorage { return &memStorage{objects: map[string][]byte{}} }

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func (s *memStorage) setFault(before func(ctx context.Context, op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// begin is what every call does first.
func (s *memStorage) begin(ctx context.Context, op string) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, op); err != nil {
			return err
		}
	}
	return s.travel(ctx)
}

func (s *memStorage) travel(ctx context.Context) error {
	select {
	case <-time.After(latency / 2):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *memStorage) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := s.begin(ctx, "get"); err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	s.reads++
	data, ok := s.objects[key]
	s.mu.Unlock()
	if err := s.travel(ctx); err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fmt.Errorf("get %q: %w", key, ErrStorageNotFound)
	}
	return data, etagOf(data), nil
}

func (s *memStorage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := s.PutIfMatchETag(ctx, key, data, etag)
	return err
}

func (s *memStorage) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	if err := s.begin(ctx, "put"); err != nil {
		return "", err
	}
	ok := s.swap(key, data, etag)
	if err := s.travel(ctx); err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("put %q: %w", key, ErrStoragePrecondition)
	}
	return etagOf(data), nil
}

func (s *memStorage) swap(key string, data []byte, etag string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	old, exists := s.objects[key]
	if exists != (etag != "") || exists && etagOf(old) != etag {
		s.refused++
		return false
	}
	s.objects[key] = data
	return true
}

// put replaces the record, whatever it is.
func (s *memStorage) put(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[testKey] = data
}

func (s *memStorage) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, testKey)
}

// record returns the record on the storage.
func (s *memStorage) record(t *testing.T) *lease.Record {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := lease.Decode(s.objects[testKey])
	require.NoError(t, err)
	return r
}

func (s *memStorage) counts() (reads, writes, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.writes, s.refused
}

// plain hides every capability but the two calls.
type plain struct{ Storage }

const testKey = "leader.json"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func testConfig(id string) *ElectorConfig {
	return &ElectorConfig{LockfilePath: testKey, ServerID: id, ServerAddr: "127.0.0.1:8443"}
}

func newElector(t *testing.T, storage Storage, id string, change ...func(*ElectorConfig)) *S3Elector {
	t.Helper()
	config := testConfig(id)
	for _, f := range change {
		f(config)
	}
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: quiet()})
	require.NoError(t, err)
	return e
}

func startElector(t *testing.T, storage Storage, id string, change ...func(*ElectorConfig)) *S3Elector {
	t.Helper()
	e := newElector(t, storage, id, change...)
	require.NoError(t, e.Start(t.Context()))
	return e
}

// lockedBuffer collects a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
