package storagetest

import (
	"context"
	"errors"
	"iter"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// Each of these storages breaks what a Creator promises in one way.
var brokenCreators = []brokenStorage{
	{"creates always", func() s3lect.Storage { return &expiring{Storage: memory.New(), always: true} }, []string{"GetOrCreateCreatesOnce"}},
	{"looks, then creates", func() s3lect.Storage { return &expiring{Storage: memory.New(), inTwoSteps: true} },
		[]string{"ARaceToGetOrCreateHasOneWinner"}},
	{"tells a loser its own bytes", func() s3lect.Storage { return &expiring{Storage: memory.New(), echoes: true} },
		[]string{"GetOrCreateCreatesOnce", "ARaceToGetOrCreateHasOneWinner"}},
	{"expires nothing", func() s3lect.Storage { return &expiring{Storage: memory.New(), after: 1000} }, []string{"AnObjectExpiresWhenItShould"}},
	{"expires too early", func() s3lect.Storage { return &expiring{Storage: memory.New(), after: 0.5} }, []string{"AnObjectExpiresWhenItShould"}},
	{"drops the expiry with a write", func() s3lect.Storage { return &expiring{Storage: memory.New(), dropsExpiry: true} },
		[]string{"AnObjectExpiresWhenItShould"}},
	{"expires what it has found", func() s3lect.Storage { return &expiring{Storage: memory.New(), expiresFound: true} },
		[]string{"AnObjectExpiresWhenItShould"}},
	{"ignores contexts in GetOrCreate", func() s3lect.Storage { return &expiring{Storage: memory.New(), ignoresContext: true} },
		[]string{"ACancelledContextEndsACallOfACapability"}},
}

// They are tested in fake time, so that expiring takes none.
func TestBrokenCreatorsFail(t *testing.T) {
	for _, b := range brokenCreators {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, name := range b.caught {
					err := checkNamed(t, name).against(t.Context(), b.open())
					assert.Error(t, err, name)
					assert.NotErrorIs(t, err, errSkipped, name)
				}
			})
		})
	}
}

// A right one passes, so that what the broken ones below fail is their fault.
func TestAStorageThatExpiresObjectsKeepsTheContract(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{
			"GetOrCreateCreatesOnce", "ARaceToGetOrCreateHasOneWinner", "AnObjectExpiresWhenItShould", "ACancelledContextEndsACallOfACapability",
		} {
			assert.NoError(t, checkNamed(t, name).against(t.Context(), &expiring{Storage: memory.New()}))
		}
	})
}

// expiring is a memory storage with the capability Creator, and the faults that it is told to have.
type expiring struct {
	*memory.Storage
	mu      sync.Mutex
	expires map[string]time.Time

	always, inTwoSteps, echoes, dropsExpiry, expiresFound, ignoresContext bool

	after float64 // how many times to live an object lives; 0 stands for 1
}

func (e *expiring) GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) (current []byte, created bool, err error) {
	if e.ignoresContext {
		ctx = context.WithoutCancel(ctx)
	}
	if !e.inTwoSteps {
		e.mu.Lock()
		defer e.mu.Unlock()
	}
	e.expire(key)
	current, etag, err := e.Storage.Get(ctx, key)
	there := err == nil
	switch {
	case !there && !errors.Is(err, s3lect.ErrStorageNotFound):
		return nil, false, err
	case there && e.echoes:
		return data, false, nil
	case there && e.expiresFound:
		e.set(key, ttl)
		return current, false, nil
	case there && !e.always:
		return current, false, nil
	}
	if e.inTwoSteps {
		latency()
		if err := overwrite(ctx, e.Storage, key, data); err != nil {
			return nil, false, err
		}
		return data, true, nil
	}
	e.set(key, ttl)
	return data, true, e.Storage.PutIfMatch(ctx, key, data, etag)
}

func (e *expiring) set(key string, ttl time.Duration) {
	if e.expires == nil {
		e.expires = map[string]time.Time{}
	}
	if e.after != 0 {
		ttl = time.Duration(float64(ttl) * e.after)
	}
	if ttl > 0 {
		e.expires[key] = time.Now().Add(ttl)
	}
}

// expire removes the object if its time has come.
func (e *expiring) expire(key string) {
	if at, ok := e.expires[key]; ok && !time.Now().Before(at) {
		delete(e.expires, key)
		_ = e.Delete(context.Background(), key)
	}
}

func (e *expiring) Get(ctx context.Context, key string) ([]byte, string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expire(key)
	return e.Storage.Get(ctx, key)
}

func (e *expiring) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := e.PutIfMatchETag(ctx, key, data, etag)
	return err
}

func (e *expiring) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expire(key)
	newETag, err := e.Storage.PutIfMatchETag(ctx, key, data, etag)
	if err == nil && e.dropsExpiry {
		delete(e.expires, key)
	}
	return newETag, err
}

type idleDeleter struct{ *memory.Storage }

func (idleDeleter) Delete(ctx context.Context, _ string) error { return ctx.Err() }

type strictDeleter struct{ *memory.Storage }

func (s strictDeleter) Delete(ctx context.Context, key string) error {
	if _, _, err := s.Get(ctx, key); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, key)
}

type greedyDeleter struct{ *memory.Storage }

func (g greedyDeleter) Delete(ctx context.Context, prefix string) error {
	for key, err := range g.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if err := g.Storage.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// lists has a List of its own.
type lists struct {
	*memory.Storage
	list func(ctx context.Context, m *memory.Storage, prefix string) iter.Seq2[string, error]
}

func (l lists) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return l.list(ctx, l.Storage, prefix)
}

func firstPage(ctx context.Context, m *memory.Storage, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n := 0
		for key, err := range m.List(ctx, prefix) {
			if n++; n > 20 || !yield(key, err) {
				return
			}
		}
	}
}

func pattern(ctx context.Context, m *memory.Storage, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range m.List(ctx, "") {
			matches := err != nil || strings.HasPrefix(key, prefix)
			for end := len(key); !matches && end > 0; end-- {
				matches, _ = path.Match(prefix, key[:end])
			}
			if matches && !yield(key, err) {
				return
			}
		}
	}
}

// hoarder lists every key that there ever was.
type hoarder struct{ *keyCounter }

func (h *hoarder) Delete(ctx context.Context, key string) error {
	return h.Storage.Delete(ctx, key)
}

func (h *hoarder) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if ctx.Err() != nil {
			yield("", ctx.Err())
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for key := range h.keys {
			if strings.HasPrefix(key, prefix) && !yield(key, nil) {
				return
			}
		}
	}
}

type swallower struct{ *memory.Storage }

func (s swallower) Delete(ctx context.Context, key string) error {
	_ = s.Storage.Delete(ctx, key)
	return nil
}

func (s swallower) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key, err := range s.Storage.List(ctx, prefix) {
			if err != nil || !yield(key, nil) {
				return
			}
		}
	}
}
