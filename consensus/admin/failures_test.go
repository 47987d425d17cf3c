package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// errorsOfNodes are all errors of the consensus package, and how they are answered.
var errorsOfNodes = []struct {
	err    error
	status int
	code   string
}{
	{&consensus.NotLeaderError{LeaderID: "n2", LeaderAddress: "n2:7000"}, 421, CodeNotLeader},
	{&consensus.NotLeaderError{LeaderID: "n2", LeaderAddress: "n2:7000", LeaderAPI: "https://127.0.0.1:1/raft"}, 421, CodeNotLeader},
	{consensus.ErrNoLeader, 503, CodeNoLeader},
	{consensus.ErrNotStarted, 503, CodeStopped},
	{consensus.ErrNoQuorum, 503, CodeNoQuorum},
	{fmt.Errorf("%w: %w", consensus.ErrNoQuorum, context.DeadlineExceeded), 503, CodeNoQuorum},
	{consensus.ErrElectionTimeout, 503, CodeElectionTimeout},
	{consensus.ErrSnapshotFailed, 500, CodeSnapshotFailed},
	{consensus.ErrLogInconsistent, 503, CodeLogInconsistent},
	{consensus.ErrStaleTerm, 409, CodeStaleTerm},
	{consensus.ErrNodeNotFound, 404, CodeNodeNotFound},
	{consensus.ErrPeerExists, 409, CodePeerExists},
	{consensus.ErrInsufficientPeers, 409, CodeInsufficientPeers},
	{consensus.ErrStorageUnavailable, 503, CodeStorageUnavailable},
	{fmt.Errorf("%w: %w", consensus.ErrNotStarted, consensus.ErrStorageUnavailable), 503, CodeStorageUnavailable},
	{&consensus.UnknownOutcomeError{Err: consensus.ErrNoQuorum}, 504, CodeUnknownOutcome},
	{&consensus.UnknownOutcomeError{Err: consensus.ErrNotStarted}, 504, CodeUnknownOutcome},
	{consensus.ErrMachineFailed, 503, CodeMachineFailed},
	{consensus.ErrTooLarge, 413, CodeCommandTooLarge},
	{consensus.ErrConfig, 400, CodeBadRequest},
	{&consensus.MachineError{Index: 7, Err: errors.New("no such account")}, 422, CodeMachineError},
	{&consensus.MachineError{Index: 7, Err: consensus.ErrNoLeader}, 422, CodeMachineError},
	{context.DeadlineExceeded, 504, CodeTimeout},
	{context.Canceled, 504, CodeTimeout},
	{errors.New("something else"), 500, CodeInternal},
}

// isRetryable is consensus.IsRetryable, but for what a machine has answered, whatever that looks like: it has been applied.
func isRetryable(err error) bool {
	refused := (*consensus.MachineError)(nil)
	return consensus.IsRetryable(err) && !errors.As(err, &refused)
}

func TestErrorsOfANodeAreAnsweredByTheirKind(t *testing.T) {
	for _, c := range errorsOfNodes {
		f := newFake()
		f.err = fmt.Errorf("doing it: %w", c.err)
		path := map[string]string{CodeSnapshotFailed: "/snapshot", CodeNodeNotFound: "/nodes/remove"}[c.code]
		if path == "" {
			path = "/apply"
		}
		w := ask(t, handlerOf(t, f, Options{}), http.MethodPost, path, bodies[path])
		failure := failureOf(t, w)
		assert.Equal(t, c.status, w.Code, "%v", c.err)
		assert.Equal(t, c.code, failure.Code, "%v", c.err)
		assert.Equal(t, f.err.Error(), failure.Text)
		assert.Equal(t, isRetryable(c.err) && c.code != CodeElectionTimeout || c.code == CodeTimeout, failure.Retryable, "%v", c.err)
		assert.Equal(t, errors.Is(c.err, consensus.ErrUnknownOutcome), failure.UnknownOutcome, "%v", c.err)
		assert.Equal(t, c.code == CodeNoLeader || c.code == CodeNoQuorum || c.code == CodeElectionTimeout, w.Header().Get("Retry-After") != "", "%v", c.err)
		assert.Equal(t, c.code == CodeMachineError, failure.Index == 7, "%v", c.err)
		there := (*consensus.NotLeaderError)(nil)
		if errors.As(c.err, &there) {
			assert.Equal(t, []string{"n2", "n2:7000", there.LeaderAPI}, []string{failure.Leader, failure.LeaderAddress, failure.LeaderAPI})
			assert.Equal(t, there.LeaderAPI != "", w.Header().Get("Location") == "https://127.0.0.1:1/raft/apply")
		}
	}
}

func TestWhereTheLeaderIsSaidToBeMustBeAURL(t *testing.T) {
	for _, api := range []string{"n2:8080", "javascript:alert(1)", "ftp://n2", "http://", "https://user:secret@n2", "http://n2/?x", "http://n2/#x", "//n2", "http://n2\r\nX: y", "http://%zz"} {
		f := newFake()
		f.err = &consensus.NotLeaderError{LeaderID: "n2", LeaderAPI: api}
		w := ask(t, handlerOf(t, f, Options{Forward: true}), http.MethodPost, "/apply", bodies["/apply"])
		assert.Equal(t, http.StatusMisdirectedRequest, w.Code, "%q is not asked", api)
		assert.Empty(t, w.Header().Get("Location"), "%q", api)
	}
}

// panicking panics when it is encoded.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("cannot be encoded") }

func TestAnswersOfMachinesThatAreNotJSON(t *testing.T) {
	for _, value := range []any{func() {}, make(chan int), panicking{}, map[any]any{1: 2}} {
		f := newFake()
		f.result, f.answer = consensus.Result{Index: 9, Term: 3, Value: value}, value
		h := handlerOf(t, f, Options{})
		w := ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
		require.Equal(t, http.StatusOK, w.Code, "it has been applied")
		applied := decoded[Applied](t, w)
		assert.EqualValues(t, 9, applied.Index)
		assert.Equal(t, "null", string(applied.Value))
		assert.Contains(t, applied.ValueError, "cannot be encoded")
		assert.Equal(t, CodeInternal, failureOf(t, ask(t, h, http.MethodPost, "/read", bodies["/read"])).Code)
	}
	f := newFake()
	f.answer = json.RawMessage(`{"a":"<&>"}`)
	w := ask(t, handlerOf(t, f, Options{}), http.MethodPost, "/read", bodies["/read"])
	assert.Contains(t, w.Body.String(), `"<&>"`, "as it is")
}

func TestPanicsAreAnsweredAndLogged(t *testing.T) {
	for path, body := range bodies {
		var logged strings.Builder
		f := newFake()
		f.act = func(context.Context) error { panic("in the machine") }
		h := handlerOf(t, f, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		w := ask(t, h, http.MethodPost, path, body)
		assert.Equal(t, http.StatusInternalServerError, w.Code)
		failure := failureOf(t, w)
		assert.Equal(t, CodeInternal, failure.Code)
		assert.Equal(t, path != "/read", failure.UnknownOutcome, "%s: a change may have been done", path)
		assert.NotContains(t, failure.Text, "in the machine", "what went wrong is for the log")
		assert.Contains(t, logged.String(), "in the machine")
		assert.Contains(t, logged.String(), "failures_test.go", "with the stack")
	}
}

func TestQueriesAreDecodedAsTheOptionSays(t *testing.T) {
	f := newFake()
	ask(t, handlerOf(t, f, Options{}), http.MethodPost, "/read", `{"query": {"get": "a"} }`)
	ask(t, handlerOf(t, f, Options{}), http.MethodPost, "/read", `{"query":null,"stale":true}`)
	h := handlerOf(t, f, Options{DecodeQuery: func(query json.RawMessage) (any, error) {
		if string(query) == `"bad"` {
			return nil, errors.New("as the test says")
		}
		return len(query), nil
	}})
	ask(t, h, http.MethodPost, "/read", `{"query":12345}`)
	assert.Equal(t, []any{json.RawMessage(`{"get": "a"}`), "stale", json.RawMessage("null"), 5}, f.asked)
	failure := failureOf(t, ask(t, h, http.MethodPost, "/read", `{"query":"bad"}`))
	assert.Equal(t, CodeBadRequest, failure.Code)
	assert.Contains(t, failure.Text, "as the test says")
}

func TestRequestsAreBoundedByTimeoutAndClient(t *testing.T) {
	f := newFake()
	var deadline time.Time
	f.act = func(ctx context.Context) error {
		deadline, _ = ctx.Deadline()
		<-ctx.Done()
		return ctx.Err()
	}
	h := handlerOf(t, f, Options{Timeout: 50 * time.Millisecond})
	began := time.Now()
	assert.Equal(t, CodeTimeout, failureOf(t, ask(t, h, http.MethodPost, "/apply", bodies["/apply"])).Code)
	assert.WithinDuration(t, began.Add(50*time.Millisecond), deadline, patience)

	h = handlerOf(t, f, Options{Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := requestOf(t, http.MethodPost, "/apply", bodies["/apply"]).WithContext(ctx)
	given := h.answer(nil, req, applyRoute, time.Now().Add(time.Hour))
	assert.Equal(t, CodeTimeout, given.failure.Code)
}

func TestASnapshotThatTakesTooLongGoesOn(t *testing.T) {
	f := newFake()
	f.act = func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("%w: %w", consensus.ErrSnapshotFailed, ctx.Err())
	}
	failure := failureOf(t, ask(t, handlerOf(t, f, Options{Timeout: time.Millisecond}), http.MethodPost, "/snapshot", ""))
	assert.Equal(t, CodeUnknownOutcome, failure.Code)
	assert.Contains(t, failure.Text, "goes on")
	f.act, f.err = nil, consensus.ErrSnapshotFailed
	assert.Equal(t, CodeSnapshotFailed, failureOf(t, ask(t, handlerOf(t, f, Options{}), http.MethodPost, "/snapshot", "")).Code)
}

func TestChangesAreLoggedAndTokensAreNot(t *testing.T) {
	var logged strings.Builder
	f := newFake()
	h := handlerOf(t, f, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	for _, path := range []string{"/nodes/remove", "/apply", "/read"} {
		ask(t, h, http.MethodPost, path, bodies[path])
	}
	ask(t, h, http.MethodGet, "/status", "")
	assert.Equal(t, 1, strings.Count(logged.String(), "\n"), "commands are not logged one by one: %s", &logged)
	assert.Contains(t, logged.String(), "/nodes/remove")
	f.err = consensus.ErrNoLeader
	ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
	assert.Contains(t, logged.String(), "no leader is known")
	assert.NotContains(t, logged.String(), token)
}
