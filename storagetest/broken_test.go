package storagetest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

type brokenStorage struct {
	name   string
	open   func() s3lect.Storage
	caught []string // checks that must fail, others may
}

// Each of these storages breaks the contract in one way.
var broken = []brokenStorage{
	{"ignores conditions", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, _ string) error {
			return overwrite(ctx, m, key, data)
		}}
	}, []string{
		"ASecondCreateIsRefused", "AStaleETagIsRefused", "AReplaceOfAMissingObjectIsRefused", "ARaceToCreateHasOneWinner",
		"ARaceToReplaceHasOneWinner", "AWriteWhoseReplyIsLostCanBeReadBack",
	}},
	{"ignores If-None-Match", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if etag == "" {
				return overwrite(ctx, m, key, data)
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"ASecondCreateIsRefused", "AnEmptyObjectIsNotAMissingOne", "ARaceToCreateHasOneWinner"}},
	{"ignores If-Match", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if etag != "" {
				return overwrite(ctx, m, key, data)
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"AStaleETagIsRefused", "EqualBytesCanBeWrittenTwice", "ARaceToReplaceHasOneWinner"}},
	{"checks, then writes", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if _, current, err := m.Get(ctx, key); err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
				return err
			} else if current != etag {
				return s3lect.ErrStoragePrecondition
			}
			latency()
			return overwrite(ctx, m, key, data)
		}}
	}, []string{"ARaceToCreateHasOneWinner", "ARaceToReplaceHasOneWinner", "ACounterRacedByCompareAndSwapIsExact"}},
	{"reuses ETags for different bytes", func() s3lect.Storage {
		m := memory.New()
		byLength := func(data []byte, err error) string {
			if err != nil {
				return ""
			}
			return strconv.Itoa(len(data))
		}
		var mu sync.Mutex
		return &funcs{
			get: func(ctx context.Context, key string) ([]byte, string, error) {
				data, _, err := m.Get(ctx, key)
				return data, byLength(data, err), err
			},
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				mu.Lock()
				defer mu.Unlock()
				current, actual, err := m.Get(ctx, key)
				if byLength(current, err) != etag {
					return s3lect.ErrStoragePrecondition
				}
				return m.PutIfMatch(ctx, key, data, actual)
			},
		}
	}, []string{"AnETagChangesWithTheBytes"}},
	{"loses every seventh update", func() s3lect.Storage {
		m := memory.New()
		var writes atomic.Int64
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if writes.Add(1)%7 == 0 {
				return nil
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"AReadAfterAWriteSeesIt", "ACounterRacedByCompareAndSwapIsExact"}},
	{"answers an older version after a write", func() s3lect.Storage {
		m := memory.New()
		type version struct {
			data []byte
			etag string
		}
		old := map[string]version{}
		var mu sync.Mutex
		return &funcs{
			get: func(ctx context.Context, key string) ([]byte, string, error) {
				mu.Lock()
				defer mu.Unlock()
				if v, ok := old[key]; ok {
					delete(old, key)
					return v.data, v.etag, nil
				}
				return m.Get(ctx, key)
			},
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				mu.Lock()
				defer mu.Unlock()
				if before, beforeETag, err := m.Get(ctx, key); err == nil {
					old[key] = version{before, beforeETag}
				}
				return m.PutIfMatch(ctx, key, data, etag)
			},
		}
	}, []string{"AReadAfterAWriteSeesIt", "ACurrentETagReplaces"}},
	{"answers nothing for a missing object", func() s3lect.Storage {
		m := memory.New()
		return &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			data, etag, err := m.Get(ctx, key)
			if errors.Is(err, s3lect.ErrStorageNotFound) {
				err = nil
			}
			return data, etag, err
		}}
	}, []string{"AMissingObjectIsNotFound"}},
	{"has its own error for a missing object", func() s3lect.Storage {
		m := memory.New()
		return &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			data, etag, err := m.Get(ctx, key)
			if errors.Is(err, s3lect.ErrStorageNotFound) {
				err = errors.New("no such file")
			}
			return data, etag, err
		}}
	}, []string{"AMissingObjectIsNotFound"}},
	{"takes a missing object for another error in writes", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if _, _, err := m.Get(ctx, key); err != nil && etag != "" {
				return err
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"AReplaceOfAMissingObjectIsRefused"}},
	{"repeats its writes", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			_ = m.PutIfMatch(ctx, key, data, etag)
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"AnObjectIsCreatedIfAbsent", "ACurrentETagReplaces"}},
	{"ignores contexts", func() s3lect.Storage {
		m := memory.New()
		return &funcs{
			get: func(ctx context.Context, key string) ([]byte, string, error) {
				return m.Get(context.WithoutCancel(ctx), key)
			},
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				return m.PutIfMatch(context.WithoutCancel(ctx), key, data, etag)
			},
		}
	}, []string{"ACancelledContextEndsACall"}},
	{"writes a half when cancelled", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if _, bounded := ctx.Deadline(); bounded && etag != "" && strings.HasSuffix(key, "cut-off") {
				return overwrite(context.WithoutCancel(ctx), m, key, data[:len(data)/2])
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}}
	}, []string{"ACancelledWriteIsAllOrNothing"}},
	{"reads the ETag after the body", func() s3lect.Storage {
		m := memory.New()
		return &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			data, _, err := m.Get(ctx, key)
			if err != nil {
				return nil, "", err
			}
			latency()
			_, etag, err := m.Get(ctx, key)
			return data, etag, err
		}}
	}, []string{"ABodyMatchesItsETagUnderWrites"}},
	{"reads the ETag before the body", func() s3lect.Storage {
		m := memory.New()
		return &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			_, etag, err := m.Get(ctx, key)
			if err != nil {
				return nil, "", err
			}
			latency()
			data, _, err := m.Get(ctx, key)
			return data, etag, err
		}}
	}, []string{"ABodyMatchesItsETagUnderWrites"}},
	{"cleans keys as paths", func() s3lect.Storage {
		m := memory.New()
		return &funcs{
			get: func(ctx context.Context, key string) ([]byte, string, error) { return m.Get(ctx, path.Clean(key)) },
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				return m.PutIfMatch(ctx, path.Clean(key), data, etag)
			},
		}
	}, []string{"OddKeysAreKeptApartOrRefused"}},
	{"cuts objects off", func() s3lect.Storage {
		m := memory.New()
		return &funcs{get: m.Get, put: func(ctx context.Context, key string, data []byte, etag string) error {
			return m.PutIfMatch(ctx, key, data[:min(len(data), 64<<10-1)], etag)
		}}
	}, []string{"BytesComeBackAsTheyWere"}},
	{"takes empty objects for missing ones", func() s3lect.Storage {
		m := memory.New()
		return &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			data, etag, err := m.Get(ctx, key)
			if err == nil && len(data) == 0 {
				return nil, "", s3lect.ErrStorageNotFound
			}
			return data, etag, err
		}}
	}, []string{"AnEmptyObjectIsNotAMissingOne"}},
	{"hands out its own bytes", func() s3lect.Storage {
		m := memory.New()
		var mu sync.Mutex
		shared := map[string][]byte{}
		return &funcs{
			get: func(ctx context.Context, key string) ([]byte, string, error) {
				mu.Lock()
				defer mu.Unlock()
				_, etag, err := m.Get(ctx, key)
				return shared[key], etag, err
			},
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				mu.Lock()
				defer mu.Unlock()
				err := m.PutIfMatch(ctx, key, data, etag)
				if err == nil {
					shared[key] = bytes.Clone(data)
				}
				return err
			},
		}
	}, []string{"BytesAreNotShared"}},
	{"reports wrong ETags", func() s3lect.Storage { return wrongETags{memory.New()} },
		[]string{"AnETagPutterAgreesWithGet"}},
	{"deletes nothing", func() s3lect.Storage { return idleDeleter{memory.New()} }, []string{"ADeletedObjectIsGone"}},
	{"deletes by prefix", func() s3lect.Storage { return greedyDeleter{memory.New()} }, []string{"ADeletedObjectIsGone"}},
	{"cannot delete what is not there", func() s3lect.Storage { return strictDeleter{memory.New()} }, []string{"ADeletedObjectIsGone"}},
	{"lists one page", func() s3lect.Storage { return lists{memory.New(), firstPage} }, []string{"AListHasWhatIsThere"}},
	{"lists everything", func() s3lect.Storage {
		return lists{memory.New(), func(ctx context.Context, m *memory.Storage, _ string) iter.Seq2[string, error] {
			return m.List(ctx, "")
		}}
	}, []string{"AListHasWhatIsThere"}},
	{"lists directories only", func() s3lect.Storage {
		return lists{memory.New(), func(ctx context.Context, m *memory.Storage, prefix string) iter.Seq2[string, error] {
			return m.List(ctx, prefix[:strings.LastIndex(prefix, "/")+1])
		}}
	}, []string{"AListHasWhatIsThere"}},
	{"takes a prefix for a pattern", func() s3lect.Storage { return lists{memory.New(), pattern} }, []string{"AListHasWhatIsThere"}},
	{"keeps deleted keys in its lists", func() s3lect.Storage { return &hoarder{keyCounter: &keyCounter{Storage: memory.New()}} },
		[]string{"AListHasWhatIsThere"}},
	{"swallows errors of lists and deletes", func() s3lect.Storage { return swallower{memory.New()} },
		[]string{"ACancelledContextEndsACallOfACapability"}},
	{"keeps all objects in one list without a lock", func() s3lect.Storage { return &unlocked{} },
		[]string{"KeysDoNotDisturbEachOther"}},
}

func TestBrokenStoragesFail(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			failed := failures(t, b.open)
			for _, name := range b.caught {
				assert.Contains(t, failed, name)
			}
		})
	}
}

func TestAStorageThatHangsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		s := &funcs{put: m.PutIfMatch, get: func(ctx context.Context, key string) ([]byte, string, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Hour)
			}
			return m.Get(ctx, key)
		}}
		err := checkNamed(t, "ACancelledContextEndsACall").against(t.Context(), s)
		assert.ErrorContains(t, err, "did not return within")
		time.Sleep(2 * time.Hour) // the call that was left behind ends
	})
}

func TestEveryCheckCatchesABrokenStorage(t *testing.T) {
	caught := map[string]bool{}
	for _, b := range slices.Concat(broken, brokenCreators) {
		for _, name := range b.caught {
			caught[name] = true
		}
	}
	for _, c := range checks {
		assert.True(t, caught[c.name], "no broken storage shows that %s is needed", c.name)
	}
}

func TestOnlyTheHarmlessKindOfTornReadsIsTolerated(t *testing.T) {
	c := checkNamed(t, "ABodyMatchesItsETagUnderWrites")
	for _, b := range broken {
		switch b.name {
		case "reads the ETag before the body":
			assert.NoError(t, c.against(t.Context(), b.open(), TolerateTornReads()))
		case "reads the ETag after the body":
			assert.ErrorContains(t, c.against(t.Context(), b.open(), TolerateTornReads()), "older body")
		}
	}
}

func failures(t *testing.T, open func() s3lect.Storage) map[string]error {
	t.Helper()
	failed := map[string]error{}
	for _, c := range checks {
		if err := c.against(t.Context(), open()); err != nil && !errors.Is(err, errSkipped) {
			failed[c.name] = err
		}
	}
	return failed
}

func checkNamed(t *testing.T, name string) check {
	t.Helper()
	for _, c := range checks {
		if c.name == name {
			return c
		}
	}
	require.Fail(t, "no check is named "+name)
	return check{}
}

// funcs is a storage made of two functions.
type funcs struct {
	get func(ctx context.Context, key string) ([]byte, string, error)
	put func(ctx context.Context, key string, data []byte, etag string) error
}

func (f *funcs) Get(ctx context.Context, key string) ([]byte, string, error) { return f.get(ctx, key) }

func (f *funcs) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	return f.put(ctx, key, data, etag)
}

// overwrite writes whatever version there is.
func overwrite(ctx context.Context, s s3lect.Storage, key string, data []byte) error {
	for {
		_, etag, err := s.Get(ctx, key)
		if err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
			return err
		}
		if err := s.PutIfMatch(ctx, key, data, etag); !errors.Is(err, s3lect.ErrStoragePrecondition) {
			return err
		}
	}
}

// latency is that of a network: what a storage does in two steps comes apart.
func latency() { time.Sleep(time.Millisecond) }

type wrongETags struct{ *memory.Storage }

func (w wrongETags) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	newETag, err := w.Storage.PutIfMatchETag(ctx, key, data, etag)
	if err != nil {
		return "", err
	}
	return newETag + "0", nil
}

// unlocked writes all of its objects back with each one.
type unlocked struct {
	mu   sync.Mutex
	list map[string]string
}

func (u *unlocked) load() map[string]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := map[string]string{}
	for key, data := range u.list {
		list[key] = data
	}
	return list
}

func (u *unlocked) Get(ctx context.Context, key string) ([]byte, string, error) {
	data, ok := u.load()[key]
	if !ok {
		return nil, "", errors.Join(s3lect.ErrStorageNotFound, ctx.Err())
	}
	return []byte(data), "=" + data, ctx.Err()
}

func (u *unlocked) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	list := u.load()
	current := ""
	if old, ok := list[key]; ok {
		current = "=" + old
	}
	if current != etag {
		return errors.Join(s3lect.ErrStoragePrecondition, ctx.Err())
	}
	latency()
	list[key] = string(data)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = list
	return ctx.Err()
}

// keyCounter knows which objects are left.
type keyCounter struct {
	*memory.Storage
	mu   sync.Mutex
	keys map[string]bool
}

func (k *keyCounter) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	err := k.Storage.PutIfMatch(ctx, key, data, etag)
	k.note(key, err == nil)
	return err
}

func (k *keyCounter) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	newETag, err := k.Storage.PutIfMatchETag(ctx, key, data, etag)
	k.note(key, err == nil)
	return newETag, err
}

func (k *keyCounter) note(key string, written bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[string]bool{}
	}
	if written {
		k.keys[key] = true
	}
}

func (k *keyCounter) Delete(ctx context.Context, key string) error {
	k.mu.Lock()
	delete(k.keys, key)
	k.mu.Unlock()
	return k.Storage.Delete(ctx, key)
}
