package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// api answers as one node would, from a map of its own, unless a test has it say something else first.
type api struct {
	*httptest.Server
	t        *testing.T
	mu       sync.Mutex
	machine  *kv.Machine
	index    uint64
	failures []admin.Failure // what is answered first, one after the other
	asked    []string        // paths
	token    string          // that came last
	leader   admin.Leader
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, machine: kv.New(), leader: leader}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

var nodes = []consensus.NodeInfo{
	{ID: "n1", Address: "127.0.0.1:7001", API: "http://127.0.0.1:1", Role: consensus.RoleLeader, Voter: true, Healthy: true},
	{ID: "n2", Address: "127.0.0.1:7002", Role: consensus.RoleFollower, Voter: true, LastContact: -1},
}

var leader = admin.Leader{ID: "n1", Address: "127.0.0.1:7001", API: "http://127.0.0.1:1", Term: 3}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.Path)
	a.token = r.Header.Get("Authorization")
	w.Header().Set("Content-Type", "application/json")
	answer, status := a.answer(r)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

func (a *api) answer(r *http.Request) (answer any, status int) {
	if len(a.failures) > 0 {
		failure := a.failures[0]
		a.failures = a.failures[1:]
		return failure, http.StatusServiceUnavailable
	}
	var body struct {
		Type       string          `json:"type"`
		DataBase64 string          `json:"dataBase64"`
		Query      json.RawMessage `json:"query"`
	}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			a.t.Error(err)
		}
	}
	switch r.URL.Path {
	case "/status":
		return admin.Status{Version: "v1", Role: consensus.RoleLeader, Cluster: consensus.ClusterInfo{NodeID: "n1", ClusterID: "c", Leader: "n1", Nodes: nodes}}, http.StatusOK
	case "/nodes", "/nodes/add", "/nodes/remove":
		return admin.Nodes{Nodes: nodes}, http.StatusOK
	case "/leader", "/leadership/transfer":
		return a.leader, http.StatusOK
	case "/leadership/stepdown":
		return admin.Leader{Term: 4}, http.StatusOK
	case "/snapshot":
		return admin.Snapshot{Index: 77}, http.StatusOK
	case "/health/detailed":
		health := admin.DetailedHealth{Checks: []admin.Check{{Name: "leader", Result: admin.CheckFailed, Reason: "nobody leads"}}}
		health.NodeID, health.Reason = "n1", "nobody leads"
		return health, http.StatusServiceUnavailable
	case "/apply":
		data, err := base64.StdEncoding.DecodeString(body.DataBase64)
		if err != nil {
			a.t.Error(err)
		}
		a.index++
		value, err := a.machine.ApplyResult(consensus.LogEntry{Index: a.index, Type: body.Type, Data: data})
		if err != nil {
			a.t.Error(err)
		}
		return map[string]any{"index": a.index, "term": 3, "value": value}, http.StatusOK
	case "/read":
		value, err := a.machine.Query(body.Query)
		if err != nil {
			a.t.Error(err)
		}
		return map[string]any{"value": value}, http.StatusOK
	}
	return admin.Failure{Text: "no such path", Code: admin.CodeNotFound}, http.StatusNotFound
}

func (a *api) fail(failures ...admin.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures, a.asked = failures, nil
}

func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// client is a terminal in which RAFTD_API is the address of that API.
func (a *api) client() *terminal {
	a.t.Helper()
	term := newTerminal(a.t)
	term.env["RAFTD_API"] = a.URL
	return term
}

func TestKeysAreSetReadSwappedListedAndDeleted(t *testing.T) {
	term := newAPI(t).client()
	for _, step := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"get", "a"}, exitNotSo, "", "raftd: there is no key \"a\"\n"},
		{[]string{"set", "a", "1"}, exitOK, "1\n", ""},
		{[]string{"get", "a"}, exitOK, "1\n", ""},
		{[]string{"get", "a", "--stale"}, exitOK, "1\n", ""},
		{[]string{"get", "a", "-o", "json"}, exitOK, "{\n  \"value\": \"1\",\n  \"found\": true,\n  \"version\": 1,\n  \"swapped\": false\n}\n", ""},
		{[]string{"cas", "a", "2", "3"}, exitNotSo, "", "raftd: not swapped: \"a\" is \"1\"\n"},
		{[]string{"cas", "a", "1", "3"}, exitOK, "3\n", ""},
		{[]string{"cas", "b", "1", "3"}, exitNotSo, "", "raftd: not swapped: there is no key \"b\"\n"},
		{[]string{"cas", "--absent", "a", "x"}, exitNotSo, "", "raftd: not swapped: \"a\" is \"3\"\n"},
		{[]string{"cas", "--absent", "b", "two\nlines"}, exitOK, "6\n", ""},
		{[]string{"list"}, exitOK, "a\t3\nb\t\"two\\nlines\"\n", ""},
		{[]string{"list", "b"}, exitOK, "b\t\"two\\nlines\"\n", ""},
		{[]string{"list", "--limit", "1"}, exitOK, "a\t3\n", "raftd: there are more: --after \"a\"\n"},
		{[]string{"list", "--after", "a"}, exitOK, "b\t\"two\\nlines\"\n", ""},
		{[]string{"list", "none"}, exitOK, "", ""},
		{[]string{"delete", "a"}, exitOK, "", ""},
		{[]string{"delete", "a"}, exitNotSo, "", "raftd: there is no key \"a\"\n"},
		{[]string{"set", "c", "x", "-o", "json"}, exitOK, "{\n  \"index\": 9,\n  \"term\": 3,\n  \"value\": \"x\",\n  \"found\": true,\n  \"version\": 9,\n  \"swapped\": false\n}\n", ""},
		{[]string{"set", "-o", "text", "--", "-d", "-v"}, exitOK, "10\n", ""},
		{[]string{"get", "--", "-d"}, exitOK, "-v\n", ""},
	} {
		code, stdout, stderr := term.run(step.args...)
		require.Equal(t, step.code, code, "%q: %s", step.args, stderr)
		assert.Equal(t, step.stdout, stdout, "%q", step.args)
		assert.Equal(t, step.stderr, stderr, "%q", step.args)
	}
}

func TestTheClusterIsPrinted(t *testing.T) {
	term := newAPI(t).client()
	const table = `ID  ROLE      ADDRESS         HEALTHY  LAST CONTACT  API
n1  leader    127.0.0.1:7001  true     0s            http://127.0.0.1:1
n2  follower  127.0.0.1:7002  false    unknown       -
`
	for _, args := range [][]string{{"nodes"}, {"add", "n2", "127.0.0.1:7002", "--non-voter"}, {"remove", "n2"}} {
		code, stdout, stderr := term.run(args...)
		require.Zero(t, code, stderr)
		assert.Equal(t, table, stdout)
	}
	for _, args := range [][]string{{"leader"}, {"transfer"}, {"transfer", "n1"}} {
		_, stdout, _ := term.run(args...)
		assert.Equal(t, "n1 at 127.0.0.1:7001, API http://127.0.0.1:1, term 3\n", stdout)
	}
	_, stdout, _ := term.run("stepdown")
	assert.Equal(t, "nobody yet, term 4\n", stdout)
	_, stdout, _ = term.run("snapshot")
	assert.Equal(t, "77\n", stdout)
	_, stdout, _ = term.run("status")
	assert.Contains(t, stdout, "node       n1, leader, of cluster c\n")
	assert.Contains(t, stdout, table)
	_, stdout, _ = term.run("status", "-o", "json")
	var status admin.Status
	require.NoError(t, json.Unmarshal([]byte(stdout), &status))
	assert.Equal(t, "n1", status.Cluster.NodeID)
}

func TestWhatAFollowerDoesNotKnowIsNotCalledUnhealthy(t *testing.T) {
	var out strings.Builder
	writeNodes(&out, []consensus.NodeInfo{
		{ID: "n1", Address: "h:1", Role: consensus.RoleLeader, Healthy: true, LastContact: 7 * time.Millisecond},
		{ID: "n2", Address: "h:2", Role: consensus.RoleFollower, Healthy: true},
		{ID: "n3", Address: "h:3", Role: consensus.RoleFollower, LastContact: -1},
	})
	assert.Equal(t, `ID  ROLE      ADDRESS  HEALTHY  LAST CONTACT  API
n1  leader    h:1      true     7ms           -
n2  follower  h:2      true     0s            -
n3  follower  h:3      unknown  unknown       -
`, out.String())
}

func TestTheLeaderIsAskedForTheMembers(t *testing.T) {
	first, second := newAPI(t), newAPI(t)
	led := leader
	led.API = second.URL
	first.leader, second.leader = led, led
	code, _, stderr := first.client().run("nodes")
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"/leader"}, first.requests())
	assert.Equal(t, []string{"/nodes"}, second.requests())

	second.Close()
	code, _, stderr = first.client().run("nodes")
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"/leader", "/leader", "/nodes"}, first.requests(), "it cannot be asked")
}

func TestANodeThatIsOfNoUseFailsTheHealthCommand(t *testing.T) {
	term := newAPI(t).client()
	code, stdout, stderr := term.run("health")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stdout, "n1, , not ready: nobody leads\n")
	assert.Contains(t, stdout, "fail     leader")
	assert.Empty(t, stderr)
}

func TestACommandWaitsForALeader(t *testing.T) {
	server := newAPI(t)
	term := server.client()
	nobody := admin.Failure{Text: "no leader is known", Code: admin.CodeNoLeader, Retryable: true}
	server.fail(nobody, nobody)
	code, stdout, stderr := term.run("set", "a", "1")
	assert.Equal(t, exitOK, code)
	assert.Equal(t, "1\n", stdout, "it was applied once")
	assert.Contains(t, stderr, "waiting for a leader")
	assert.Len(t, server.requests(), 3)

	server.fail(nobody, nobody, nobody, nobody, nobody, nobody, nobody, nobody, nobody)
	code, _, stderr = term.run("set", "a", "1", "--timeout", "300ms")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stderr, "no leader is known")
}

func TestWhatMayHaveBeenDoneIsNotDoneAgain(t *testing.T) {
	server := newAPI(t)
	term := server.client()
	server.fail(admin.Failure{Text: (&consensus.UnknownOutcomeError{Err: errTest}).Error(), Code: admin.CodeUnknownOutcome, UnknownOutcome: true})
	code, stdout, stderr := term.run("set", "a", "1")
	assert.Equal(t, exitUnknown, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "outcome is unknown")
	assert.Equal(t, []string{"/apply"}, server.requests())

	var asked atomic.Int32
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" { // asked first where there are several servers
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"status":"ok"}`)
			return
		}
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	term.env["RAFTD_API"] = cut.URL + "," + server.URL
	code, _, _ = term.run("set", "a", "1")
	assert.Equal(t, exitUnknown, code, "the connection was lost after the command had been sent")
	assert.Equal(t, int32(1), asked.Load())
	code, _, _ = term.run("get", "a")
	assert.Equal(t, exitNotSo, code, "a question can be asked again elsewhere")
}

func TestTheNextServerIsAskedWhereOneIsGone(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	server := newAPI(t)
	term := server.client()
	term.env["RAFTD_API"] = gone.URL + ", " + server.Listener.Addr().String()
	code, _, stderr := term.run("set", "a", "1")
	assert.Equal(t, exitOK, code, stderr)

	term.env["RAFTD_API"] = gone.URL
	code, _, stderr = term.run("get", "a")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, stderr, gone.URL+" cannot be reached")
}

func TestTheFirstTokenOfTheFileIsSent(t *testing.T) {
	server := newAPI(t)
	term := server.client()
	_, _, stderr := term.run("set", "a", "1", "--token-file", writeFile(t, "# comment\n\n first \nsecond\n"))
	assert.Empty(t, stderr)
	assert.Equal(t, "Bearer first", server.token)
}

func TestASignalEndsAClient(t *testing.T) {
	reached, done := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(reached)
		<-done
	}))
	defer server.Close()
	defer close(done)
	term := newTerminal(t)
	term.env["RAFTD_API"] = server.URL
	go func() {
		<-reached
		term.signals <- syscall.SIGTERM
	}()
	began := time.Now()
	code, _, stderr := term.run("get", "a")
	assert.Equal(t, 128+int(syscall.SIGTERM), code)
	assert.Contains(t, stderr, "interrupted")
	assert.Less(t, time.Since(began), 10*time.Second)
}

var errTest = errors.New("leadership was lost")
