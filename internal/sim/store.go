package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// version is one version of an object. Without data there was no object.
type version struct {
	data   []byte
	etag   string
	record *record // nil if the data is no leader record
	roster *roster // nil if the data is no list of observers
	at     time.Time
}

// versionOf is the next version of an object, made of these bytes; of none, if they are nil.
func versionOf(key string, data []byte) version {
	v := version{data: data, at: time.Now()}
	if data == nil {
		return v
	}
	v.etag = etagOf(data)
	if objectOf(key) == rosterObject {
		v.roster = parseRoster(data)
	} else {
		v.record = parse(data)
	}
	return v
}

func (v version) exists() bool { return v.data != nil }

// bad reports whether there is an object that is neither a leader record nor a list of observers.
func (v version) bad() bool { return v.exists() && v.record == nil && v.roster == nil }

// history is how many versions are kept for stale reads.
const history = 24

// store is a linearizable store of objects. As on S3, equal bytes have equal ETags.
type store struct {
	// committed is called for every change, in their order, under the store's lock. The attempt is
	// nil for changes that no elector made.
	committed func(key string, old, next version, a *attempt)

	mu      sync.Mutex
	objects map[string][]version // oldest first
	counts  [2]Counts            // by kind of object
}

// Counts are requests as the storage counts them.
type Counts struct{ Reads, Writes, Refused int }

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Reads + o.Reads, c.Writes + o.Writes, c.Refused + o.Refused}
}

func (c Counts) minus(o Counts) Counts {
	return Counts{c.Reads - o.Reads, c.Writes - o.Writes, c.Refused - o.Refused}
}

func newStore() *store {
	return &store{objects: map[string][]version{}, committed: func(string, version, version, *attempt) {}}
}

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

func (s *store) get(key string) version {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[objectOf(key)].Reads++
	return s.last(key)
}

// look is get for the simulation itself: it is not counted.
func (s *store) look(key string) version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last(key)
}

// existed reports whether there ever was an object under the key.
func (s *store) existed(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.objects[key]) > 0
}

// getStale answers the version that was the last one a while ago, as far back as is known.
func (s *store) getStale(key string, age time.Duration) version {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[objectOf(key)].Reads++
	vs := s.objects[key]
	then := time.Now().Add(-age)
	for i := len(vs) - 1; i >= 0; i-- {
		if !vs[i].at.After(then) {
			return vs[i]
		}
	}
	if len(vs) > 0 {
		return vs[0]
	}
	return version{}
}

func (s *store) last(key string) version {
	if vs := s.objects[key]; len(vs) > 0 {
		return vs[len(vs)-1]
	}
	return version{}
}

// putIfMatch is the conditional write. Without an ETag the object must not exist.
func (s *store) putIfMatch(a *attempt) (etag string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := &s.counts[objectOf(a.key)]
	counts.Writes++
	if s.last(a.key).etag != a.etag {
		counts.Refused++
		return "", false
	}
	v := a.version()
	s.append(a.key, v, a)
	return v.etag, true
}

// replace is what an operator or a stranger does: it asks nobody. A nil version is a deletion.
func (s *store) replace(key string, v version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.append(key, v, nil)
}

func (s *store) append(key string, v version, a *attempt) {
	old := s.last(key)
	s.objects[key] = append(s.objects[key], v)
	if vs := s.objects[key]; len(vs) > history {
		s.objects[key] = vs[len(vs)-history:]
	}
	s.committed(key, old, v, a)
}

// total is what requests to one kind of object there were.
func (s *store) total(o object) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[o]
}
