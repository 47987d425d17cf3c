package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	network "github.com/seed-6dc909bb/s3lect/consensus/transport/memory"
)

const patience = time.Minute

// cluster is a few nodes on an in-process network, each with its API on a real server.
type cluster struct {
	t       *testing.T
	network *network.Network
	peers   []consensus.PeerConfig
	members map[string]*member
}

type member struct {
	*consensus.Node

	api    *handler
	server *httptest.Server
	url    string // of the API
}

// startCluster starts nodes n1, n2, ... with an API of these options below /raft.
func startCluster(t *testing.T, size int, options Options, nodeOptions ...consensus.Option) *cluster {
	t.Helper()
	c := &cluster{t: t, network: network.NewNetwork(), members: map[string]*member{}}
	for i := range size {
		c.peers = append(c.peers, consensus.PeerConfig{ID: fmt.Sprintf("n%d", i+1), Address: fmt.Sprintf("n%d", i+1), Port: 7000})
	}
	for _, peer := range c.peers {
		c.start(peer.ID, options, append([]consensus.Option{consensus.WithPeers(c.peers)}, nodeOptions...)...)
	}
	return c
}

func (c *cluster) start(id string, options Options, nodeOptions ...consensus.Option) *member {
	c.t.Helper()
	m := &member{server: httptest.NewUnstartedServer(nil)}
	m.url = "http://" + m.server.Listener.Addr().String() + "/raft"
	node, err := consensus.New(append([]consensus.Option{
		consensus.WithNodeID(id),
		consensus.WithBindAddress(id, 7000),
		consensus.WithStateMachine(kv.New()),
		consensus.WithStorage(memory.New()),
		consensus.WithTransport(c.network.Transport()),
		consensus.WithElectionTimeoutMin(time.Second),
		consensus.WithAPIAddress(m.url),
		consensus.WithLogger(mute()),
	}, nodeOptions...)...)
	require.NoError(c.t, err)
	options.Prefix = "/raft"
	m.Node, m.api = node, handlerOf(c.t, node, options)
	m.server.Config.Handler = m.api
	m.server.Start()
	c.t.Cleanup(m.server.Close)
	require.NoError(c.t, node.Start(c.t.Context()))
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(c.t, node.Stop(ctx))
	})
	c.members[id] = m
	return m
}

// leader waits until a node leads, and all members know it and its API.
func (c *cluster) leader() *member {
	c.t.Helper()
	var found *member
	require.Eventually(c.t, func() bool {
		for _, m := range c.members {
			if m.IsLeader() {
				found = m
			}
		}
		if found == nil {
			return false
		}
		for _, m := range c.members {
			if known := leader(m.Node); known.ID != found.ID() || known.API != found.url {
				return false
			}
		}
		return found.IsLeader()
	}, patience, time.Millisecond)
	return found
}

func (c *cluster) followers() []*member {
	leader := c.leader()
	var others []*member
	for _, peer := range c.peers {
		if m := c.members[peer.ID]; m != leader {
			others = append(others, m)
		}
	}
	return others
}

// isolate cuts a member off from all others.
func (c *cluster) isolate(m *member) {
	for id := range c.members {
		if id != m.ID() {
			c.network.Cut(id, m.ID())
			c.network.Cut(m.ID(), id)
		}
	}
}

func (m *member) ask(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, m.api, method, "/raft"+path, body)
}

const set = `{"type":"set","data":{"key":"color","value":"blue"}}`

func TestTheLeaderAppliesAndReads(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	leader := c.leader()
	w := leader.ask(t, http.MethodPost, "/apply", set)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	applied := decoded[Applied](t, w)
	assert.Equal(t, leader.GetTerm(), applied.Term)
	assert.NotZero(t, applied.Index)
	var value kv.Answer
	require.NoError(t, json.Unmarshal(applied.Value, &value))
	assert.Equal(t, applied.Index, value.Version)

	w = leader.ask(t, http.MethodPost, "/apply", fmt.Sprintf(`{"type":"set","data":{"key":"color","value":"red"},"term":%d}`, applied.Term))
	require.Equal(t, http.StatusOK, w.Code, "a command bound to the present term: %s", w.Body)

	w = leader.ask(t, http.MethodPost, "/read", `{"query":{"get":"color"}}`)
	require.Equal(t, http.StatusOK, w.Code)
	require.NoError(t, json.Unmarshal(decoded[Answer](t, w).Value, &value))
	assert.Equal(t, "red", value.Value)

	for _, follower := range c.followers() {
		require.Eventually(t, func() bool {
			w := follower.ask(t, http.MethodPost, "/read", `{"query":{"get":"color"},"stale":true}`)
			return w.Code == http.StatusOK && strings.Contains(w.Body.String(), "red")
		}, patience, time.Millisecond, "a stale read is answered by everybody")
	}
}

func TestFollowersNameTheLeader(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	leader := c.leader()
	for _, follower := range c.followers() {
		for path, body := range bodies {
			w := follower.ask(t, http.MethodPost, path, body)
			require.Equal(t, http.StatusMisdirectedRequest, w.Code, "%s: %s", path, w.Body)
			assert.Equal(t, Failure{
				Text: failureOf(t, w).Text, Code: CodeNotLeader, Retryable: true,
				Leader: leader.ID(), LeaderAddress: leader.ID() + ":7000", LeaderAPI: leader.url,
			}, failureOf(t, w))
			assert.Equal(t, leader.url+path, w.Header().Get("Location"))
		}
		assert.Equal(t, Leader{leader.ID(), leader.ID() + ":7000", leader.url, leader.GetTerm()}, decoded[Leader](t, follower.ask(t, http.MethodGet, "/leader", "")))
	}
}

func TestALeaderThatIsCutOffSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{Timeout: patience}, consensus.WithElectionTimeoutMin(2*time.Second))
	leader := c.leader()
	c.isolate(leader)
	answers := make(chan *httptest.ResponseRecorder)
	for path, body := range map[string]string{"/apply": set, "/read": bodies["/read"]} {
		go func() {
			w := httptest.NewRecorder()
			leader.api.ServeHTTP(w, requestOf(t, http.MethodPost, "/raft"+path, body))
			answers <- w
		}()
	}
	codes := map[string]Failure{}
	for range 2 {
		failure := failureOf(t, <-answers)
		codes[failure.Code] = failure
	}
	require.Contains(t, codes, CodeUnknownOutcome, "of the command")
	assert.True(t, codes[CodeUnknownOutcome].UnknownOutcome)
	assert.False(t, codes[CodeUnknownOutcome].Retryable)
	require.Contains(t, codes, CodeNoQuorum, "of the read")
	assert.True(t, codes[CodeNoQuorum].Retryable)

	require.Eventually(t, func() bool { return leader.GetLeader() == "" }, patience, time.Millisecond)
	w := leader.ask(t, http.MethodPost, "/apply", set)
	assert.Equal(t, CodeNoLeader, failureOf(t, w).Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.True(t, failureOf(t, w).Retryable)
	assert.Equal(t, CodeNoLeader, failureOf(t, leader.ask(t, http.MethodGet, "/leader", "")).Code)

	assert.Equal(t, http.StatusOK, leader.ask(t, http.MethodGet, "/health", "").Code, "it runs")
	w = leader.ask(t, http.MethodGet, "/health?ready", "")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code, "and is of no use")
	assert.NotEmpty(t, decoded[Health](t, w).Reason)
	assert.Equal(t, http.StatusServiceUnavailable, leader.ask(t, http.MethodGet, "/health/detailed", "").Code)
}

func TestWhatDoesNotGoTogetherWithTheClusterIsRefused(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, Options{}, consensus.WithMaxCommandSize(1000))
	only := c.leader()
	for _, refusal := range []struct{ path, body, code, text string }{
		{"/apply", `{"type":"set","term":99}`, CodeStaleTerm, "99"},
		{"/apply", `{"type":"set","data":"` + strings.Repeat("x", 1000) + `"}`, CodeCommandTooLarge, "1002 bytes"},
		{"/apply", `{"type":"` + strings.Repeat("x", 256) + `"}`, CodeCommandTooLarge, "256 bytes"},
		{"/apply", `{"type":"dance","data":{}}`, CodeMachineError, "dance"},
		{"/read", `{"query":{"dance":"now"}}`, CodeMachineError, "dance"},
		{"/read", `{"query":{"dance":"now"},"stale":true}`, CodeMachineError, "dance"},
		{"/nodes/add", `{"id":"n1","address":"n1","port":7000}`, CodePeerExists, "n1"},
		{"/nodes/add", `{"id":"n2","address":"n1","port":7000}`, CodePeerExists, "n1:7000"},
		{"/nodes/add", `{"id":"n 2","address":"n2","port":7000}`, CodeBadRequest, "n 2"},
		{"/nodes/remove", `{"id":"n2"}`, CodeNodeNotFound, "n2"},
		{"/nodes/remove", `{"id":"n1"}`, CodeInsufficientPeers, "last voter"},
		{"/leadership/transfer", `{"node":"n2"}`, CodeNodeNotFound, "n2"},
		{"/leadership/stepdown", ``, CodeInsufficientPeers, "no other voter"},
	} {
		w := only.ask(t, http.MethodPost, refusal.path, refusal.body)
		failure := failureOf(t, w)
		assert.Equal(t, refusal.code, failure.Code, "%s %.40s: %s", refusal.path, refusal.body, failure.Text)
		assert.Contains(t, failure.Text, refusal.text)
		assert.False(t, failure.Retryable)
		assert.False(t, failure.UnknownOutcome)
		if failure.Code == CodeMachineError && refusal.path == "/apply" {
			assert.NotZero(t, failure.Index, "it is in the log")
		}
	}
}

func TestMembersAndLeadershipAreChanged(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	before := c.leader()
	added := c.start("n4", Options{}, consensus.WithJoin())
	nodes := decoded[Nodes](t, before.ask(t, http.MethodPost, "/nodes/add", `{"id":"n4","address":"n4","port":7000,"nonVoter":true}`)).Nodes
	require.Len(t, nodes, 4)
	assert.Equal(t, consensus.RoleNonVoter, nodes[3].Role)
	assert.False(t, nodes[3].Voter)
	nodes = decoded[Nodes](t, before.ask(t, http.MethodPost, "/nodes/add", `{"id":"n4","address":"n4","port":7000}`)).Nodes
	assert.True(t, nodes[3].Voter)

	c.leader()
	next := decoded[Leader](t, before.ask(t, http.MethodPost, "/leadership/transfer", `{"node":"n4"}`))
	assert.Equal(t, "n4", next.ID)
	assert.Equal(t, "n4:7000", next.Address)
	require.Same(t, added, c.leader())

	w := added.ask(t, http.MethodPost, "/leadership/stepdown", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	last := c.leader()
	assert.NotSame(t, added, last)

	nodes = decoded[Nodes](t, last.ask(t, http.MethodPost, "/nodes/remove", `{"id":"n4"}`)).Nodes
	assert.Len(t, nodes, 3)
}

func TestSnapshotsAreTakenOnTheNodeThatIsAsked(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	applied := decoded[Applied](t, c.leader().ask(t, http.MethodPost, "/apply", set))
	follower := c.followers()[0]
	require.Eventually(t, func() bool { return follower.GetStats().LastApplied >= applied.Index }, patience, time.Millisecond)
	w := follower.ask(t, http.MethodPost, "/snapshot", "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.GreaterOrEqual(t, decoded[Snapshot](t, w).Index, applied.Index)
	assert.Zero(t, c.leader().GetStats().SnapshotIndex)
	assert.Equal(t, CheckPassed, checksOf(t, follower)["snapshot"].Result)
	assert.Equal(t, CheckUnknown, checksOf(t, c.leader())["snapshot"].Result)
}

func checksOf(t *testing.T, m *member) map[string]Check {
	t.Helper()
	checks := map[string]Check{}
	for _, check := range decoded[DetailedHealth](t, m.ask(t, http.MethodGet, "/health/detailed", "")).Checks {
		checks[check.Name] = check
	}
	return checks
}

func TestStatusIsWhatTheNodeKnows(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{Version: "v9"})
	for _, m := range append(c.followers(), c.leader()) {
		status := decoded[Status](t, m.ask(t, http.MethodGet, "/status", ""))
		assert.Equal(t, "v9", status.Version)
		assert.True(t, strings.HasPrefix(status.Go, "go1."))
		assert.Equal(t, m.GetRole(), status.Role)
		assert.Equal(t, m.IsLeader(), status.IsLeader)
		assert.Equal(t, m.ID(), status.Cluster.NodeID)
		assert.Equal(t, "default", status.Cluster.ClusterID)
		assert.Equal(t, c.leader().ID(), status.Cluster.Leader)
		assert.Len(t, status.Cluster.Nodes, 3)
		assert.Equal(t, m.GetTerm(), status.Stats.Term)
		assert.Equal(t, Timing(m.Timing()), status.Timing)
		assert.Positive(t, status.Timing.Lease)
	}
}

func TestHealthOfAWholeCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	leader := c.leader()
	require.Eventually(t, func() bool { return checksOf(t, leader)["quorum"].Result == CheckPassed }, patience, time.Millisecond)
	for _, m := range c.members {
		for _, path := range []string{"/health", "/health?ready", "/health?ready=true", "/health/detailed"} {
			assert.Equal(t, http.StatusOK, m.ask(t, http.MethodGet, path, "").Code, path)
		}
		for name, check := range checksOf(t, m) {
			assert.NotEqual(t, CheckFailed, check.Result, name)
			assert.NotEmpty(t, check.Reason, name)
		}
	}
	c.isolate(c.followers()[0])
	require.Eventually(t, func() bool {
		check := checksOf(t, leader)["quorum"]
		return check.Result == CheckWarned && strings.HasPrefix(check.Reason, "2 of 3 voters")
	}, patience, time.Millisecond)
	assert.Equal(t, http.StatusOK, leader.ask(t, http.MethodGet, "/health?ready", "").Code)
}

func TestANodeThatHasStoppedOrWasNeverStartedSaysSo(t *testing.T) {
	node, err := consensus.New(consensus.WithNodeID("n1"), consensus.WithStateMachine(kv.New()), consensus.WithStorage(memory.New()), consensus.WithLogger(mute()))
	require.NoError(t, err)
	h, err := New(node, Options{Tokens: []string{token}, Logger: mute()})
	require.NoError(t, err)
	assertStopped := func() {
		t.Helper()
		for _, to := range routes {
			w := ask(t, h, to.method, to.path, bodies[to.path])
			switch {
			case to.method == http.MethodPost:
				assert.Equal(t, CodeStopped, failureOf(t, w).Code, to.path)
			case to.path == "/leader":
				assert.Equal(t, CodeNoLeader, failureOf(t, w).Code)
			case strings.HasPrefix(to.path, "/health"):
				assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			default:
				assert.Equal(t, http.StatusOK, w.Code, to.path)
			}
		}
	}
	assertStopped()
	require.NoError(t, node.Start(t.Context()))
	_, err = node.WaitForLeader(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ask(t, h, http.MethodGet, "/health", "").Code)
	require.NoError(t, node.Stop(t.Context()))
	assertStopped()
}

// fragile panics when it is told to.
type fragile struct{ *kv.Machine }

func (f fragile) ApplyResult(entry consensus.LogEntry) (any, error) {
	if entry.Type == "panic" {
		panic("as told")
	}
	return f.Machine.ApplyResult(entry)
}

func (f fragile) Apply(entry consensus.LogEntry) error {
	_, err := f.ApplyResult(entry)
	return err
}

func TestAMachineThatPanicsEndsTheNodeAndIsNamedAsTheReason(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, Options{}, consensus.WithStateMachine(fragile{kv.New()}))
	only := c.leader()
	failure := failureOf(t, only.ask(t, http.MethodPost, "/apply", `{"type":"panic"}`))
	assert.Equal(t, CodeUnknownOutcome, failure.Code, failure.Text)
	<-only.Done()
	assert.Equal(t, CodeMachineFailed, failureOf(t, only.ask(t, http.MethodPost, "/apply", set)).Code)
	health := decoded[Health](t, only.ask(t, http.MethodGet, "/health", ""))
	assert.Equal(t, StatusStopped, health.Status)
	assert.Equal(t, CheckFailed, checksOf(t, only)["running"].Result)
	assert.Equal(t, CheckUnknown, checksOf(t, only)["storage"].Result)
}

func TestRequestsEndWithTheirTimeout(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, Options{Timeout: 3 * time.Second})
	only := c.leader()
	w := only.ask(t, http.MethodPost, "/nodes/add", `{"id":"n2","address":"nowhere","port":7000}`)
	failure := failureOf(t, w)
	assert.Equal(t, CodeTimeout, failure.Code, failure.Text)
	assert.Contains(t, failure.Text, "n2 has been added without a vote")
	assert.True(t, failure.Retryable)
}
