package s3lect_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/s3server"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

const (
	createRace   = "a race to create has one winner"
	secondCreate = "a second create is refused"
	freshReplace = "a fresh replace succeeds"
	staleReplace = "a stale replace is refused"
	readsSee     = "a read after a write sees it"
	etagChanges  = "an ETag changes with the bytes"
	bodyMatches  = "a body matches its ETag"
	loneWriter   = "a lone writer is never refused"
	readsSucceed = "reads succeed while there are writes"
	counterExact = "a counter raced by compare-and-swap is exact"
	replaceRace  = "a race to replace has one winner"
)

func verify(t *testing.T, storage s3lect.Storage) *s3lect.StorageReport {
	t.Helper()
	report, err := s3lect.VerifyStorage(t.Context(), storage, "leader.json")
	require.NoError(t, err)
	return report
}

func failedChecks(report *s3lect.StorageReport) (names []string) {
	for _, check := range report.Checks {
		if !check.Passed {
			names = append(names, check.Name)
		}
	}
	return names
}

func requireSafe(t *testing.T, report *s3lect.StorageReport) {
	t.Helper()
	require.True(t, report.Safe, "%+v", report.Checks)
	require.Empty(t, failedChecks(report))
	require.Len(t, report.Checks, 12)
	assert.Positive(t, report.Read.P50)
	assert.GreaterOrEqual(t, report.Write.P99, report.Write.P50)
	assert.Equal(t, max(report.Read.P99, report.Write.P99), report.RoundTrip)
	assert.Positive(t, report.FrequentInterval)
	assert.Less(t, report.FrequentInterval, report.LeaderTimeout)
	assert.Empty(t, report.LeftBehind)
}

func TestADirectoryPassesVerificationAndIsLeftTidy(t *testing.T) {
	storage, err := s3lect.NewMockStorage(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte("precious"), ""))
	report := verify(t, storage)
	requireSafe(t, report)
	assert.Empty(t, report.ETagSpelling)
	data, _, err := storage.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, "precious", string(data), "the object of the key itself is not touched")
}

// keepsKeys has no Delete, and knows which keys were written.
type keepsKeys struct {
	s3lect.Storage
	mu   sync.Mutex
	keys map[string]bool
}

func (k *keepsKeys) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	k.mu.Lock()
	k.keys[key] = true
	k.mu.Unlock()
	return k.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestVerificationLeavesOneObjectThatSaysWhatItIsWhereItCannotDelete(t *testing.T) {
	storage := &keepsKeys{Storage: memory.New(), keys: map[string]bool{}}
	report := verify(t, storage)
	require.True(t, report.Safe)
	assert.Equal(t, map[string]bool{report.LeftBehind: true}, storage.keys)
	assert.True(t, strings.HasPrefix(report.LeftBehind, "leader.json.probe-"))
	data, _, err := storage.Get(t.Context(), report.LeftBehind)
	require.NoError(t, err)
	assert.Contains(t, string(data), "can be deleted")
	assert.Less(t, len(data), 1024)
}

func TestARealServerPassesVerification(t *testing.T) {
	server := s3server.Start(t)
	server.Setenv(t)
	bucket := server.NewBucket(t)
	report := verify(t, openServer(t, server.URL(bucket)))
	requireSafe(t, report)
	assert.Equal(t, "either", report.ETagSpelling)

	list, err := server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	require.NoError(t, err)
	assert.Empty(t, list.Contents)
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func through(t *testing.T, server *s3server.Server, rt transport, options ...s3lect.S3StorageOption) *s3lect.S3Storage {
	t.Helper()
	client := server.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: rt} })
	storage, err := s3lect.NewS3Storage(client, server.NewBucket(t), options...)
	require.NoError(t, err)
	return storage
}

func TestAServerThatIgnoresConditionsFailsVerification(t *testing.T) {
	server := s3server.Start(t)
	identity, err := server.Client().Options().Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	storage := through(t, server, func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		for _, name := range []string{"If-Match", "If-None-Match", "Authorization"} {
			r.Header.Del(name)
		}
		err := v4.NewSigner().SignHTTP(r.Context(), identity, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", "us-east-1", time.Now())
		if err != nil {
			return nil, err
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	report := verify(t, storage)
	assert.False(t, report.Safe)
	assert.Equal(t, []string{createRace, secondCreate, staleReplace, replaceRace, counterExact}, failedChecks(report))
	assert.Contains(t, detail(t, report, createRace), "writers were told that they had won")
	assert.Empty(t, report.LeftBehind)
}

func TestTheSpellingOfETagsIsFoundOut(t *testing.T) {
	server := s3server.Start(t)
	answer := func(status int, wrong func(etag string) bool) transport {
		return func(r *http.Request) (*http.Response, error) {
			if etag := r.Header.Get("If-Match"); etag != "" && wrong(etag) {
				return &http.Response{
					StatusCode: status, ProtoMajor: 1, ProtoMinor: 1,
					Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")),
				}, nil
			}
			return http.DefaultTransport.RoundTrip(r)
		}
	}
	refuse := func(wrong func(etag string) bool) transport { return answer(http.StatusPreconditionFailed, wrong) }
	quoted := func(etag string) bool { return strings.HasPrefix(etag, `"`) }
	unquoted := func(etag string) bool { return !quoted(etag) }

	t.Run("wants none, gets quotes", func(t *testing.T) {
		report := verify(t, through(t, server, refuse(quoted)))
		assert.False(t, report.Safe)
		assert.Equal(t, "unquoted", report.ETagSpelling)
		assert.Equal(t, []string{freshReplace}, failedChecks(report), "the rest is tested with the right spelling")
		assert.Contains(t, detail(t, report, freshReplace), "etag=unquoted")
	})
	t.Run("wants none, gets none", func(t *testing.T) {
		report := verify(t, through(t, server, refuse(quoted), s3lect.WithS3UnquotedETags()))
		requireSafe(t, report)
		assert.Equal(t, "unquoted", report.ETagSpelling)
	})
	t.Run("wants quotes, gets quotes", func(t *testing.T) {
		report := verify(t, through(t, server, refuse(unquoted)))
		requireSafe(t, report)
		assert.Equal(t, "as-given", report.ETagSpelling)
	})
	t.Run("wants quotes, calls others malformed", func(t *testing.T) {
		report := verify(t, through(t, server, answer(http.StatusBadRequest, unquoted)))
		requireSafe(t, report)
		assert.Equal(t, "as-given", report.ETagSpelling)
	})
	t.Run("wants quotes, gets none, calls that malformed", func(t *testing.T) {
		report := verify(t, through(t, server, answer(http.StatusBadRequest, unquoted), s3lect.WithS3UnquotedETags()))
		assert.False(t, report.Safe)
		assert.Equal(t, "as-given", report.ETagSpelling)
		assert.Equal(t, []string{freshReplace}, failedChecks(report))
		assert.Contains(t, detail(t, report, freshReplace), "etag=as-given")
	})
	t.Run("calls both malformed", func(t *testing.T) {
		storage := through(t, server, answer(http.StatusBadRequest, func(string) bool { return true }))
		report, err := s3lect.VerifyStorage(t.Context(), storage, "leader.json")
		require.ErrorContains(t, err, "400")
		assert.False(t, report.Safe)
	})
	t.Run("refuses both", func(t *testing.T) {
		report := verify(t, through(t, server, refuse(func(string) bool { return true })))
		assert.False(t, report.Safe)
		assert.Equal(t, []string{freshReplace}, failedChecks(report))
		assert.Zero(t, report.LeaderTimeout, "nothing was measured")
	})
}

func detail(t *testing.T, report *s3lect.StorageReport, name string) string {
	t.Helper()
	for _, check := range report.Checks {
		if check.Name == name {
			return check.Detail
		}
	}
	require.Fail(t, "there is no check "+name)
	return ""
}

// altered is a storage in memory with other ways to read and write.
type altered struct {
	*memory.Storage
	get func(ctx context.Context, key string) ([]byte, string, error)
	put func(ctx context.Context, key string, data []byte, etag string) error
}

func (a altered) Get(ctx context.Context, key string) ([]byte, string, error) {
	if a.get != nil {
		return a.get(ctx, key)
	}
	return a.Storage.Get(ctx, key)
}

func (a altered) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if a.put != nil {
		return a.put(ctx, key, data, etag)
	}
	return a.Storage.PutIfMatch(ctx, key, data, etag)
}

// overwrite writes whatever version there is.
func overwrite(ctx context.Context, m *memory.Storage, key string, data []byte) error {
	for {
		_, current, err := m.Get(ctx, key)
		if err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
			return err
		}
		if err := m.PutIfMatch(ctx, key, data, current); !errors.Is(err, s3lect.ErrStoragePrecondition) {
			return err
		}
	}
}

func TestWhatFailsVerification(t *testing.T) {
	t.Run("check, then write", func(t *testing.T) {
		m := memory.New()
		report := verify(t, altered{Storage: m, put: func(ctx context.Context, key string, data []byte, etag string) error {
			_, current, err := m.Get(ctx, key)
			if err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
				return err
			}
			if current != etag {
				return s3lect.ErrStoragePrecondition
			}
			time.Sleep(time.Millisecond) // the latency of a network
			return overwrite(ctx, m, key, data)
		}})
		assert.False(t, report.Safe)
		assert.Equal(t, []string{createRace, replaceRace, counterExact}, failedChecks(report))
	})
	t.Run("If-None-Match ignored", func(t *testing.T) {
		m := memory.New()
		report := verify(t, altered{Storage: m, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if etag == "" {
				return overwrite(ctx, m, key, data)
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}})
		assert.False(t, report.Safe)
		assert.Subset(t, failedChecks(report), []string{createRace, secondCreate})
	})
	t.Run("If-Match ignored", func(t *testing.T) {
		m := memory.New()
		report := verify(t, altered{Storage: m, put: func(ctx context.Context, key string, data []byte, etag string) error {
			if etag != "" {
				return overwrite(ctx, m, key, data)
			}
			return m.PutIfMatch(ctx, key, data, etag)
		}})
		assert.False(t, report.Safe)
		assert.Subset(t, failedChecks(report), []string{staleReplace, replaceRace})
	})
	t.Run("an ETag that stays the same", func(t *testing.T) {
		m := memory.New()
		var mu sync.Mutex
		report := verify(t, altered{Storage: m,
			get: func(ctx context.Context, key string) ([]byte, string, error) {
				data, _, err := m.Get(ctx, key)
				return data, "same", err
			},
			put: func(ctx context.Context, key string, data []byte, etag string) error {
				mu.Lock()
				defer mu.Unlock()
				_, current, _ := m.Get(ctx, key)
				if (etag == "") != (current == "") {
					return s3lect.ErrStoragePrecondition
				}
				return m.PutIfMatch(ctx, key, data, current)
			},
		})
		assert.False(t, report.Safe)
		assert.Subset(t, failedChecks(report), []string{staleReplace, etagChanges, replaceRace})
	})
	t.Run("a newer ETag with an older body", func(t *testing.T) {
		m := memory.New()
		report := verify(t, altered{Storage: m, get: func(ctx context.Context, key string) ([]byte, string, error) {
			data, _, err := m.Get(ctx, key)
			if err != nil {
				return nil, "", err
			}
			time.Sleep(100 * time.Microsecond)
			_, etag, err := m.Get(ctx, key)
			return data, etag, err
		}})
		assert.False(t, report.Safe)
		assert.Contains(t, failedChecks(report), bodyMatches)
	})
	t.Run("updates that get lost now and then", func(t *testing.T) {
		m := memory.New()
		var writes atomic.Int64
		report := verify(t, altered{Storage: m, put: func(ctx context.Context, key string, data []byte, etag string) error {
			time.Sleep(time.Millisecond) // the latency of a network
			err := m.PutIfMatch(ctx, key, data, etag)
			if writes.Add(1) > 300 && errors.Is(err, s3lect.ErrStoragePrecondition) { // the races that begin at once are over
				return nil
			}
			return err
		}})
		assert.False(t, report.Safe)
		assert.Contains(t, failedChecks(report), counterExact)
	})
	t.Run("an object that is there before", func(t *testing.T) {
		report := verify(t, altered{Storage: memory.New(), get: func(context.Context, string) ([]byte, string, error) {
			return nil, "", nil
		}})
		assert.False(t, report.Safe)
		assert.Len(t, report.Checks, 1)
	})
}

func TestReadsThatFailDuringWritesAreReportedAndSafe(t *testing.T) {
	m := memory.New()
	var reads atomic.Int64
	report := verify(t, altered{Storage: m, get: func(ctx context.Context, key string) ([]byte, string, error) {
		if reads.Add(1)%10 == 0 {
			return nil, "", io.ErrUnexpectedEOF
		}
		return m.Get(ctx, key)
	}})
	assert.True(t, report.Safe, "%+v", report.Checks)
	assert.Equal(t, []string{readsSucceed}, failedChecks(report))
	assert.Contains(t, detail(t, report, readsSucceed), "unexpected EOF")
}

func TestALoneWriterThatIsRefusedIsReportedAndSafe(t *testing.T) {
	m := memory.New()
	var writes atomic.Int64
	report := verify(t, altered{Storage: m, put: func(ctx context.Context, key string, data []byte, etag string) error {
		err := m.PutIfMatch(ctx, key, data, etag)
		if n := writes.Add(1); err == nil && n > 40 && n%10 == 0 { // as if it had been sent twice
			return s3lect.ErrStoragePrecondition
		}
		return err
	}})
	assert.Contains(t, failedChecks(report), loneWriter)
	assert.Contains(t, detail(t, report, loneWriter), "send requests twice")
}

func TestAStorageThatFailedAndThenBreaksDownIsUnsafeNotAnError(t *testing.T) {
	m := memory.New()
	var writes atomic.Int64
	report := verify(t, altered{Storage: m,
		get: func(ctx context.Context, key string) ([]byte, string, error) {
			if writes.Load() > 60 {
				return nil, "", io.ErrUnexpectedEOF
			}
			return m.Get(ctx, key)
		},
		put: func(ctx context.Context, key string, data []byte, _ string) error {
			writes.Add(1)
			for {
				_, etag, _ := m.Get(ctx, key)
				if err := m.PutIfMatch(ctx, key, data, etag); !errors.Is(err, s3lect.ErrStoragePrecondition) {
					return err
				}
			}
		},
	})
	assert.False(t, report.Safe)
	assert.Subset(t, failedChecks(report), []string{createRace, secondCreate, staleReplace, "all checks could be made"})
}

func TestStaleReadsAreReportedAndSafe(t *testing.T) {
	m := memory.New()
	var mu sync.Mutex
	lag, old := 0, map[int]func() ([]byte, string, error){}
	storage := altered{Storage: m,
		get: func(ctx context.Context, key string) ([]byte, string, error) {
			mu.Lock()
			defer mu.Unlock()
			if read := old[lag]; read != nil {
				delete(old, lag)
				return read()
			}
			return m.Get(ctx, key)
		},
		put: func(ctx context.Context, key string, data []byte, etag string) error {
			mu.Lock()
			defer mu.Unlock()
			before, beforeETag, err := m.Get(ctx, key)
			if putErr := m.PutIfMatch(ctx, key, data, etag); putErr != nil {
				return putErr
			}
			if lag++; err == nil && lag%10 == 0 { // the first read after every tenth write
				old[lag] = func() ([]byte, string, error) { return before, beforeETag, nil }
			}
			return nil
		},
	}
	report := verify(t, storage)
	assert.True(t, report.Safe, "%+v", report.Checks)
	assert.Equal(t, []string{readsSee}, failedChecks(report))
	assert.Contains(t, detail(t, report, readsSee), "older version")
}

func TestAVerificationThatCannotBeCarriedOutIsAnError(t *testing.T) {
	denied := errors.New("access denied")
	t.Run("no permission to read", func(t *testing.T) {
		report, err := s3lect.VerifyStorage(t.Context(), altered{get: func(context.Context, string) ([]byte, string, error) {
			return nil, "", denied
		}}, "leader.json")
		require.ErrorIs(t, err, denied)
		assert.False(t, report.Safe)
		assert.Empty(t, report.LeftBehind)
	})
	t.Run("no permission to write", func(t *testing.T) {
		report, err := s3lect.VerifyStorage(t.Context(), altered{Storage: memory.New(), put: func(context.Context, string, []byte, string) error {
			return denied
		}}, "leader.json")
		require.ErrorIs(t, err, denied)
		assert.False(t, report.Safe)
		assert.Len(t, report.Checks, 1)
		assert.Empty(t, report.LeftBehind)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s3lect.VerifyStorage(ctx, memory.New(), "leader.json")
		assert.ErrorIs(t, err, context.Canceled)
	})
	t.Run("nil", func(t *testing.T) {
		_, err := s3lect.VerifyStorage(t.Context(), nil, "leader.json")
		assert.ErrorContains(t, err, "nil")
	})
}

func TestALimitOfWritesPerSecondIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		var mu sync.Mutex
		var last time.Time
		get := func(ctx context.Context, key string) ([]byte, string, error) {
			time.Sleep(time.Millisecond) // fake time passes only while everybody waits
			return m.Get(ctx, key)
		}
		put := func(ctx context.Context, key string, data []byte, etag string) error {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(last) < time.Second {
				return s3lect.ErrStorageThrottled
			}
			last = time.Now()
			return m.PutIfMatch(ctx, key, data, etag)
		}
		report, err := s3lect.VerifyStorage(t.Context(), altered{m, get, put}, "leader.json")
		require.NoError(t, err)
		assert.True(t, report.Safe, "%+v", report.Checks)
		assert.Positive(t, report.Throttled)
		assert.GreaterOrEqual(t, report.LeaderTimeout, 15*time.Second)
	})
}

func TestAReportCanBeWrittenAsJSON(t *testing.T) {
	report := verify(t, memory.New())
	written, err := json.Marshal(report)
	require.NoError(t, err)
	for _, name := range []string{`"safe":true`, `"checks":[{"name":"a missing object is not found","required":true,"passed":true`, `"p99":`, `"leaderTimeout":3000000000`} {
		assert.Contains(t, string(written), name)
	}
}
