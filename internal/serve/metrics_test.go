package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/storagetest"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// plain hides all capabilities of a storage.
type plain struct{ s3lect.Storage }

// creating is a storage with the capability Creator alone.
type creating struct{ s3lect.Storage }

func (creating) GetOrCreate(context.Context, string, []byte, time.Duration) ([]byte, bool, error) {
	return nil, false, errors.New("broken")
}

// all is a storage with every capability that a server uses.
type all struct {
	*memory.Storage
	creating
}

func (a all) Get(ctx context.Context, key string) ([]byte, string, error) {
	return a.Storage.Get(ctx, key)
}

func (a all) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	return a.Storage.PutIfMatch(ctx, key, data, etag)
}

func TestMeteredStorageHasTheCapabilitiesOfTheStorage(t *testing.T) {
	t.Parallel()
	base := memory.New()
	for name, storage := range map[string]s3lect.Storage{
		"none": plain{base}, "ETagPutter": base, "Creator": creating{base}, "both": all{base, creating{base}},
	} {
		metered := NewMetrics().Storage(storage)
		_, puts := storage.(s3lect.ETagPutter)
		_, meteredPuts := metered.(s3lect.ETagPutter)
		assert.Equal(t, puts, meteredPuts, name)
		_, creates := storage.(s3lect.Creator)
		_, meteredCreates := metered.(s3lect.Creator)
		assert.Equal(t, creates, meteredCreates, name)
	}
}

func TestMeteredStorageIsAStorage(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) s3lect.Storage { return NewMetrics().Storage(memory.New()) })
}

func TestCallsOfTheStorageAreCountedByWhatCameOut(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	base := memory.New()
	s, ok := m.Storage(all{base, creating{base}}).(interface {
		s3lect.Storage
		s3lect.ETagPutter
		s3lect.Creator
	})
	require.True(t, ok)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithTimeout(t.Context(), 0)
	defer cancelLate()
	_, _, _ = s.Get(t.Context(), "k")
	_ = s.PutIfMatch(t.Context(), "k", nil, "")
	_, _ = s.PutIfMatchETag(t.Context(), "k", nil, "other")
	_, _, _ = s.Get(t.Context(), "k")
	_, _, _ = s.Get(canceled, "k")
	_, _, _ = s.Get(late, "k")
	_, _, _ = s.GetOrCreate(t.Context(), "k", nil, 0)
	m.Storage(&storageFunc{base, func(context.Context, string) ([]byte, string, error) {
		return nil, "", fmt.Errorf("read: %w", s3lect.ErrStorageThrottled)
	}}).Get(t.Context(), "k") //nolint:errcheck // the error is what is counted

	assert.PanicsWithValue(t, "a mistake", func() {
		_, _, _ = m.Storage(&storageFunc{base, func(context.Context, string) ([]byte, string, error) { panic("a mistake") }}).Get(t.Context(), "k")
	})

	counted := scrape(t, m)
	for _, line := range []string{
		`s3lect_storage_requests_total{operation="get",result="panic"} 1`,
		`s3lect_storage_requests_total{operation="get",result="not_found"} 1`,
		`s3lect_storage_requests_total{operation="get",result="ok"} 1`,
		`s3lect_storage_requests_total{operation="get",result="canceled"} 1`,
		`s3lect_storage_requests_total{operation="get",result="timeout"} 1`,
		`s3lect_storage_requests_total{operation="get",result="throttled"} 1`,
		`s3lect_storage_requests_total{operation="put",result="ok"} 1`,
		`s3lect_storage_requests_total{operation="put",result="precondition"} 1`,
		`s3lect_storage_requests_total{operation="get_or_create",result="error"} 1`,
		`s3lect_storage_request_duration_seconds_count{operation="get"} 6`,
		`s3lect_storage_request_duration_seconds_count{operation="put"} 2`,
	} {
		assert.Contains(t, counted, line+"\n")
	}
}

// scrape returns what Prometheus would be told.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	var got strings.Builder
	w := &textWriter{text: &got, header: http.Header{}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	require.NoError(t, err)
	m.handler().ServeHTTP(w, req)
	return got.String()
}

type textWriter struct {
	text   *strings.Builder
	header http.Header
}

func (w *textWriter) Header() http.Header                  { return w.header }
func (w *textWriter) WriteHeader(int)                      {}
func (w *textWriter) Write(data []byte) (n int, err error) { return w.text.Write(data) }

func TestRequestsAreCountedByWhatCameOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		for range 3 {
			f.ask(http.MethodGet, "/api/v1/elect/s/1", "X-Candidate-Id", "a")
		}
		f.ask(http.MethodGet, "/api/v1/elect/s/1", "X-Candidate-Id", "b")
		f.ask(http.MethodPost, "/api/v1/complete/s/1", "X-Candidate-Id", "b")
		f.get("/api/v1/completed/s/1")
		counted := f.get("/metrics").body
		for _, line := range []string{
			`s3lect_rounds_requests_total{operation="elect",result="elected"} 3`,
			`s3lect_rounds_requests_total{operation="elect",result="not_elected"} 1`,
			`s3lect_rounds_requests_total{operation="complete",result="refused"} 1`,
			`s3lect_rounds_requests_total{operation="completed",result="nobody"} 1`,
			`s3lect_rounds_request_duration_seconds_count{operation="elect"} 4`,
			`s3lect_http_requests_in_flight 1`,
			`s3lect_http_connections 1`,
		} {
			assert.Contains(t, counted, line+"\n")
		}
		for _, name := range []string{"go_goroutines", "go_build_info", "s3lect_storage_requests_total"} {
			assert.Contains(t, counted, "\n"+name, name)
		}
		assert.NotContains(t, counted, "s3lect_leader", "without a sidecar there is nothing to tell")
		require.NoError(t, f.end())
	})
}

func TestNoClientMakesNewSeries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		series := func() int {
			return len(regexp.MustCompile(`(?m)^s3lect_`).FindAllString(f.get("/metrics").body, -1))
		}
		odd := func(n int) {
			f.ask(http.MethodGet, fmt.Sprintf("/api/v1/elect/system-%d/%d", n, n), "X-Candidate-Id", fmt.Sprint("a", n))
			f.ask(fmt.Sprint("METHOD", n), fmt.Sprintf("/api/v1/elect/system-%d/%d", n, n))
			f.get(fmt.Sprintf("/api/v1/other%d/s/1", n))
			f.get(fmt.Sprintf("/other%d", n))
		}
		odd(0)
		before := series()
		for n := range 50 {
			odd(n + 1)
		}
		assert.Equal(t, before, series())
		require.NoError(t, f.end())
	})
}

func TestSidecarIsMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, withSidecar(t))
		time.Sleep(time.Second)
		_, hangUp := f.stream()
		counted := f.get("/metrics").body
		for _, line := range []string{
			"s3lect_leader 1", "s3lect_leader_known 1", "s3lect_leader_term 1", "s3lect_leader_changes_total 1",
			"s3lect_leader_watchers 1", "s3lect_leader_consecutive_failures 0", "s3lect_http_requests_in_flight 1",
		} {
			assert.Contains(t, counted, "\n"+line+"\n")
		}
		assert.Regexp(t, `(?m)^s3lect_leader_remaining_seconds 1[23]\.?\d*$`, counted)
		hangUp()
		require.NoError(t, f.end())
	})
}

func TestLeadershipsAreCountedOnceEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &scripted{changes: make(chan s3lect.LeadershipStatus)}
		e.set(s3lect.LeadershipStatus{})
		f := start(t, func(o *Options) { o.Elector = e })
		for _, status := range []s3lect.LeadershipStatus{
			{LeaderID: "a", Term: 1}, {LeaderID: "a", Term: 1, LastError: "trouble"}, {LeaderID: "a", Term: 1},
			{Term: 1}, {LeaderID: "a", Term: 1}, {Term: 1}, {LeaderID: "b", Term: 2}, {LeaderID: "b", Term: 3},
		} {
			e.changes <- status
			synctest.Wait()
		}
		assert.Contains(t, f.get("/metrics").body, "\ns3lect_leader_changes_total 3\n")
		require.NoError(t, f.end())
	})
}
