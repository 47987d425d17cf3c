package roundsim

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
)

// version is one version of an object.
type version struct {
	data []byte
	etag string
	by   *server // who wrote it; nil if it was there from the start
}

// store is a linearizable store of objects. As on S3, equal bytes have equal ETags.
type store struct {
	committed func(key string, before, after *version) // called for every change, under the lock

	mu      sync.Mutex
	objects map[string][]version // oldest first; none is ever removed
	// confirmed is how many versions of an object there were when a write of it was confirmed. A read
	// that begins later shows none that is older.
	confirmed map[string]int
}

func newStore() *store {
	return &store{objects: map[string][]version{}, confirmed: map[string]int{}}
}

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// last is the present version, nil if there is none, and how many there are.
func (s *store) last(key string) (*version, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(key, len(s.objects[key])), len(s.objects[key])
}

// nth is the version that was the n-th one, counted from 1; nil for the time before there was one.
func (s *store) nth(key string, n int) *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(key, n)
}

func (s *store) at(key string, n int) *version {
	if n == 0 {
		return nil
	}
	v := s.objects[key][n-1]
	return &v
}

// put is the conditional write. Without an ETag the object must not exist. It returns the number of
// the version that it made, 0 if the condition does not hold.
func (s *store) put(key string, data []byte, etag string, by *server) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.at(key, len(s.objects[key]))
	if before == nil && etag != "" || before != nil && before.etag != etag {
		return 0
	}
	after := version{append([]byte{}, data...), etagOf(data), by}
	s.objects[key] = append(s.objects[key], after)
	if s.committed != nil {
		s.committed(key, before, &after)
	}
	return len(s.objects[key])
}

// confirm takes note that a writer knows of the n-th version.
func (s *store) confirm(key string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed[key] = max(s.confirmed[key], n)
}

// oldest is the number of the oldest version that a read which begins now may show.
func (s *store) oldest(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed[key]
}
