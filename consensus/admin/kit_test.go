package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

const token = "correct-horse-battery-staple"

func mute() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fake is a node that answers what the test says.
type fake struct {
	role   consensus.Role
	leads  bool
	info   consensus.ClusterInfo
	stats  consensus.Stats
	ended  chan struct{}
	why    error
	err    error // of everything that changes something, and of Read
	result consensus.Result
	answer any
	act    func(ctx context.Context) error // in place of err, if it is not nil
	asked  []any                           // what was handed to it
	broken bool                            // looking at it panics
}

func newFake() *fake {
	return &fake{
		role: consensus.RoleLeader, leads: true, ended: make(chan struct{}),
		info: consensus.ClusterInfo{
			ClusterID: "test", NodeID: "n1", Leader: "n1", Term: 3, CommitIndex: 12, ClusterSize: 2, HealthyNodes: 2,
			Nodes: []consensus.NodeInfo{
				{ID: "n1", Address: "10.0.0.1:7000", API: "http://10.0.0.1:8080", Role: consensus.RoleLeader, Voter: true, Healthy: true},
				{ID: "n2", Address: "10.0.0.2:7000", Role: consensus.RoleFollower, Voter: true, Healthy: true, LastContact: 5 * time.Millisecond},
			},
		},
		stats: consensus.Stats{Term: 3, CommitIndex: 12, LastApplied: 11, LogSize: 7, SnapshotIndex: 5, AppliedOps: 4, FailedOps: 1, LeaderElections: 2, AvgApplyLatency: time.Millisecond},
	}
}

func (f *fake) do(ctx context.Context, asked ...any) error {
	f.asked = append(f.asked, asked...)
	if f.act != nil {
		return f.act(ctx)
	}
	return f.err
}

func (f *fake) ID() string                { return f.info.NodeID }
func (f *fake) Done() <-chan struct{}     { return f.ended }
func (f *fake) Err() error                { return f.why }
func (f *fake) IsLeader() bool            { return f.leads }
func (f *fake) GetLeader() string         { return f.info.Leader }
func (f *fake) GetTerm() uint64           { return f.info.Term }
func (f *fake) GetStats() consensus.Stats { return f.stats }
func (f *fake) Timing() consensus.Timing  { return consensus.Timing{Lease: time.Second} }

func (f *fake) GetRole() consensus.Role {
	f.panicIfBroken()
	return f.role
}

func (f *fake) GetClusterInfo() consensus.ClusterInfo {
	f.panicIfBroken()
	return f.info
}

func (f *fake) panicIfBroken() {
	if f.broken {
		panic("broken")
	}
}

func (f *fake) ApplyResult(ctx context.Context, command consensus.Command) (consensus.Result, error) {
	return f.result, f.do(ctx, command)
}

func (f *fake) Read(ctx context.Context, query any) (any, error) {
	err := f.do(ctx, query)
	return f.answer, err
}

func (f *fake) ReadStale(query any) (any, error) {
	err := f.do(context.Background(), "stale", query)
	return f.answer, err
}

func (f *fake) Snapshot(ctx context.Context) error { return f.do(ctx, "snapshot") }

func (f *fake) AddNode(ctx context.Context, id, address string, port int) error {
	return f.do(ctx, consensus.PeerConfig{ID: id, Address: address, Port: port})
}

func (f *fake) AddNonVoter(ctx context.Context, id, address string, port int) error {
	return f.do(ctx, consensus.PeerConfig{ID: id, Address: address, Port: port, NonVoter: true})
}

func (f *fake) RemoveNode(ctx context.Context, id string) error { return f.do(ctx, "remove "+id) }

func (f *fake) TransferLeadership(ctx context.Context, id string) error {
	return f.do(ctx, "transfer to "+id)
}

func (f *fake) StepDown(ctx context.Context) error { return f.do(ctx, "step down") }

// handlerOf is a handler that knows the token, unless the options say something else of who may ask.
func handlerOf(t *testing.T, n node, options Options) *handler {
	t.Helper()
	if options.Tokens == nil && options.TokenSource == nil && !options.ClientCertificates && !options.Insecure {
		options.Tokens = []string{token}
	}
	if options.Logger == nil {
		options.Logger = mute()
	}
	h, err := newHandler(n, options)
	require.NoError(t, err)
	return h
}

// header is one line of a request's head; one without a value is taken out.
type header [2]string

// request makes a request as a good client would.
func requestOf(t *testing.T, method, target, body string, headers ...header) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		req.Header.Del(line[0])
		if line[1] != "" {
			req.Header.Set(line[0], line[1])
		}
	}
	return req
}

// ask asks a handler, and asserts of the answer what holds for every answer.
func ask(t *testing.T, h http.Handler, method, target, body string, headers ...header) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, requestOf(t, method, target, body, headers...))
	answer := w.Result()
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	assertGood(t, method, answer.StatusCode, answer.Header, content)
	assertDescribed(t, method, target, answer.StatusCode, answer.Header, content)
	return w
}

func assertGood(t *testing.T, method string, status int, head http.Header, body []byte) {
	t.Helper()
	assert.Equal(t, "no-store", head.Get("Cache-Control"))
	assert.Equal(t, "nosniff", head.Get("X-Content-Type-Options"))
	if status != http.StatusMisdirectedRequest {
		assert.Empty(t, head.Get("Location"))
	}
	assert.False(t, status >= 300 && status < 400, "nothing is redirected")
	assert.NotEmpty(t, head.Get("Content-Type"))
	if head.Get("Content-Type") == jsonType && method != http.MethodHead {
		assert.True(t, json.Valid(body), "%q", body)
		assert.True(t, strings.HasSuffix(string(body), "}\n"), "%q", body)
	}
}

// failureOf decodes an answer that is not a success.
func failureOf(t *testing.T, w *httptest.ResponseRecorder) Failure {
	t.Helper()
	var failure Failure
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &failure), "%q", w.Body)
	require.NotEmpty(t, failure.Code, "%q", w.Body)
	assert.NotEmpty(t, failure.Text)
	assert.Equal(t, statuses[failure.Code], w.Code)
	return failure
}

func decoded[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&value))
	return value
}

// bodies are good requests for every route.
var bodies = map[string]string{
	"/leadership/transfer": `{"node":"n2"}`,
	"/nodes/add":           `{"id":"n3","address":"10.0.0.3","port":7000}`,
	"/nodes/remove":        `{"id":"n2"}`,
	"/apply":               `{"type":"set","data":{"key":"a"}}`,
	"/read":                `{"query":{"get":"a"}}`,
}
