package s3lect

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeElector is what other people's tests use in place of an elector.
type fakeElector struct {
	Elector
	leads bool
	seen  time.Time
}

func (f *fakeElector) IsLeader() bool { return f.leads }
func (f *fakeElector) GetConfig() *ElectorConfig {
	c := testConfig("fake")
	_ = c.Validate()
	return c
}

func (f *fakeElector) GetLeadershipStatus() *LeadershipStatus {
	return &LeadershipStatus{IsLeader: f.leads, LeaderLastSeen: f.seen, Term: 7}
}

func ask(t *testing.T, h http.Handler, method string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/health/leadership", http.NoBody))
	return w
}

func TestHandlerAnswersTheRecordOnlyWhileLeading(t *testing.T) {
	renewed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := &fakeElector{leads: true, seen: renewed}
	h := NewLeadershipHandler(e, nil)

	answer := ask(t, h, http.MethodGet)
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Equal(t, "application/json", answer.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	var r LeaderRecord
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&r))
	assert.Equal(t, "fake", r.LeaderID)
	assert.Equal(t, "127.0.0.1:8443", r.LeaderAddr)
	assert.Equal(t, renewed, r.LastUpdated, "the last confirmed renewal, not now")
	assert.EqualValues(t, 7, r.Term)

	e.leads = false
	assert.Equal(t, http.StatusNotFound, ask(t, h, http.MethodGet).Code)
	answer = ask(t, h, http.MethodPost)
	assert.Equal(t, http.StatusMethodNotAllowed, answer.Code)
	assert.Equal(t, http.MethodGet, answer.Header().Get("Allow"))
}

// newcomer becomes the leader while it is asked.
type newcomer struct{ *fakeElector }

func (n newcomer) GetLeadershipStatus() *LeadershipStatus {
	status := &LeadershipStatus{Term: 6}
	if n.leads {
		status.Term = 7
	}
	n.leads = true
	return status
}

func TestHandlerDoesNotAnswerWithTheTermBeforeItsOwn(t *testing.T) {
	h := NewLeadershipHandler(newcomer{&fakeElector{}}, nil)
	answer := ask(t, h, http.MethodGet)
	assert.NotContains(t, answer.Body.String(), `"term":6`)
}

// bareFake is what is left of a fake whose author needed nothing else.
type bareFake struct{ Elector }

func (bareFake) IsLeader() bool                         { return true }
func (bareFake) GetConfig() *ElectorConfig              { return nil }
func (bareFake) GetLeadershipStatus() *LeadershipStatus { return nil }

func TestHandlerAnswersForAFakeThatKnowsNothing(t *testing.T) {
	h := NewLeadershipHandler(bareFake{}, quiet())
	for _, query := range []string{"", "?session=s&after=1"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health/leadership"+query, http.NoBody))
		assert.Equal(t, http.StatusOK, w.Code)
	}
}
