package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

func clientOf(t *testing.T, servers ...string) *Client {
	t.Helper()
	c, err := NewClient(ClientOptions{Servers: servers, Token: token})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	c.probing = patience // the machine may be slow
	return c
}

// counted counts the requests to a handler, but for those for health, which it answers by itself.
func counted(t *testing.T, h http.Handler) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	return serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			return
		}
		asked.Add(1)
		h.ServeHTTP(w, req)
	})), &asked
}

func TestOptionsOfClientsThatCannotBeMeantAreRefused(t *testing.T) {
	for want, options := range map[string]ClientOptions{
		"at least one":        {},
		`"n1:8080"`:           {Servers: []string{"n1:8080"}},
		`"ftp://n1"`:          {Servers: []string{"http://n1", "ftp://n1"}},
		"nothing else":        {Servers: []string{"http://n1/?x"}},
		"xxxxx":               {Servers: []string{"http://me:secret@n1"}},
		"must not be negativ": {Servers: []string{"http://n1"}, Timeout: -1},
		"Token contains":      {Servers: []string{"http://n1"}, Token: "secret word"},
	} {
		_, err := NewClient(options)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestClientDoesAllThatTheAPICan(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	before := c.leader()
	client := clientOf(t, c.followers()[0].url+"/", c.followers()[1].url)

	set := kv.Set("color", "blue")
	applied, err := client.Apply(t.Context(), set)
	require.NoError(t, err)
	assert.NotZero(t, applied.Index)
	assert.Equal(t, before.GetTerm(), applied.Term)
	value, err := client.Read(t.Context(), map[string]string{"get": "color"})
	require.NoError(t, err)
	var answer kv.Answer
	require.NoError(t, json.Unmarshal(value, &answer))
	assert.Equal(t, "blue", answer.Value)
	_, err = client.ReadStale(t.Context(), json.RawMessage(`{"get":"color"}`))
	require.NoError(t, err)

	health, err := client.Health(t.Context(), true)
	require.NoError(t, err)
	assert.True(t, health.Ready)
	detailed, err := client.DetailedHealth(t.Context())
	require.NoError(t, err)
	assert.Len(t, detailed.Checks, 6)
	status, err := client.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, c.followers()[0].ID(), status.Cluster.NodeID)
	assert.Equal(t, Timing(before.Timing()), status.Timing)
	known, err := client.Leader(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.ID(), known.ID)
	nodes, err := client.Nodes(t.Context())
	require.NoError(t, err)
	assert.Len(t, nodes, 3)
	metrics, err := client.Metrics(t.Context())
	require.NoError(t, err)
	assert.Contains(t, string(metrics), "s3lect_consensus_term")
	snapshot, err := client.Snapshot(t.Context())
	require.NoError(t, err)
	assert.NotZero(t, snapshot.Index)

	nodes, err = client.AddNode(t.Context(), consensus.PeerConfig{ID: "n4", Address: "n4", Port: 7000, NonVoter: true})
	require.NoError(t, err)
	assert.Len(t, nodes, 4)
	nodes, err = client.RemoveNode(t.Context(), "n4")
	require.NoError(t, err)
	assert.Len(t, nodes, 3)
	known, err = client.TransferLeadership(t.Context(), c.followers()[1].ID())
	require.NoError(t, err)
	assert.Equal(t, c.leader().ID(), known.ID)
	assert.NotSame(t, before, c.leader())
	_, err = client.StepDown(t.Context())
	require.NoError(t, err)
}

func TestClientGivesTheErrorsOfTheNode(t *testing.T) {
	for _, c := range errorsOfNodes {
		f := newFake()
		f.err = c.err
		client := clientOf(t, serverOf(t, handlerOf(t, f, Options{})).URL)
		_, err := client.Apply(t.Context(), consensus.Command{Type: "set"})
		var answered *Error
		require.ErrorAs(t, err, &answered)
		assert.Equal(t, c.status, answered.Status)
		assert.Equal(t, c.code, answered.Code)
		for _, known := range sentinels {
			if known.code == c.code {
				assert.ErrorIs(t, err, known.err)
			}
		}
		assert.Equal(t, isRetryable(c.err), consensus.IsRetryable(err), "%v", c.err)
		assert.Equal(t, errors.Is(c.err, consensus.ErrUnknownOutcome), errors.Is(err, consensus.ErrUnknownOutcome), "%v", c.err)
		there := (*consensus.NotLeaderError)(nil)
		if errors.As(c.err, &there) {
			got := (*consensus.NotLeaderError)(nil)
			require.ErrorAs(t, err, &got)
			assert.Equal(t, there, got)
		}
		refused := (*consensus.MachineError)(nil)
		if errors.As(c.err, &refused) {
			require.ErrorAs(t, err, &refused)
			assert.EqualValues(t, 7, refused.Index)
		}
	}
}

func TestDataArrivesByteForByte(t *testing.T) {
	f := newFake()
	client := clientOf(t, serverOf(t, handlerOf(t, f, Options{})).URL)
	for _, data := range [][]byte{nil, {}, {0, 255, '\n'}, []byte(`{ "a" : "<&>" }`)} {
		f.asked = nil
		_, err := client.Apply(t.Context(), consensus.Command{Type: "set", Data: data, Term: 5})
		require.NoError(t, err)
		command, ok := f.asked[0].(consensus.Command)
		require.True(t, ok)
		assert.Equal(t, string(data), string(command.Data))
		assert.EqualValues(t, 5, command.Term)
	}
}

func TestClientFollowsToTheLeaderOnce(t *testing.T) {
	good, led := counted(t, handlerOf(t, newFake(), Options{}))
	follower, asked := counted(t, handlerOf(t, followerOf(good.URL), Options{}))
	_, err := clientOf(t, follower.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	require.NoError(t, err)
	assert.EqualValues(t, 1, asked.Load())
	assert.EqualValues(t, 1, led.Load())

	// Two that take each other for the leader.
	f := followerOf("")
	one, first := counted(t, handlerOf(t, f, Options{}))
	two, second := counted(t, handlerOf(t, followerOf(one.URL), Options{}))
	f.err = &consensus.NotLeaderError{LeaderID: "n2", LeaderAPI: two.URL}
	_, err = clientOf(t, one.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	require.ErrorIs(t, err, consensus.ErrNotLeader)
	assert.EqualValues(t, 1, first.Load())
	assert.EqualValues(t, 1, second.Load())
}

func TestClientGoesOnToTheNextServerWhereNothingWasDone(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	foreign := serverOf(t, http.NotFoundHandler())
	stopped, leaderless, halted := newFake(), newFake(), newFake()
	stopped.err, leaderless.err, halted.err = consensus.ErrNotStarted, consensus.ErrNoLeader, consensus.ErrNoQuorum
	servers := []string{gone.URL, foreign.URL}
	for _, f := range []*fake{stopped, leaderless, halted, followerOf(""), followerOf(gone.URL)} {
		servers = append(servers, serverOf(t, handlerOf(t, f, Options{})).URL)
	}
	f := newFake()
	good := serverOf(t, handlerOf(t, f, Options{})).URL
	_, err := clientOf(t, append(servers, good)...).Apply(t.Context(), consensus.Command{Type: "set"})
	require.NoError(t, err)
	assert.Len(t, f.asked, 1)

	_, err = clientOf(t, servers[:5]...).Apply(t.Context(), consensus.Command{Type: "set"})
	assert.ErrorIs(t, err, consensus.ErrNoQuorum, "what was said last")
	_, err = clientOf(t, gone.URL, foreign.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	var unreachable *UnreachableError
	require.ErrorAs(t, err, &unreachable)
	assert.ErrorContains(t, err, gone.URL)
	assert.ErrorContains(t, err, "is its prefix right?")
}

func TestWhatIsRefusedForGoodIsNotAskedElsewhere(t *testing.T) {
	for _, err := range []error{consensus.ErrStaleTerm, consensus.ErrTooLarge, &consensus.MachineError{Err: errors.New("no")}, consensus.ErrUnknownOutcome, consensus.ErrPeerExists, context.DeadlineExceeded, errors.New("odd")} {
		f := newFake()
		f.err = err
		second, asked := counted(t, handlerOf(t, newFake(), Options{}))
		_, got := clientOf(t, serverOf(t, handlerOf(t, f, Options{})).URL, second.URL).Apply(t.Context(), consensus.Command{Type: "set"})
		require.Error(t, got, "%v", err)
		assert.Zero(t, asked.Load(), "%v", err)
	}
}

func TestClientNeverRepeatsWhatMayHaveBeenDone(t *testing.T) {
	for _, answer := range []string{
		"",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"index\":1",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>",
		"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 504 Gateway Timeout\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	} {
		f := newFake()
		second := serverOf(t, handlerOf(t, f, Options{})).URL
		first, asked := counted(t, hangingUp(answer))
		client := clientOf(t, first.URL, second)
		for name, change := range map[string]func() error{
			"apply":    func() error { _, err := client.Apply(t.Context(), consensus.Command{Type: "set"}); return err },
			"add":      func() error { _, err := client.AddNode(t.Context(), consensus.PeerConfig{}); return err },
			"remove":   func() error { _, err := client.RemoveNode(t.Context(), "n2"); return err },
			"transfer": func() error { _, err := client.TransferLeadership(t.Context(), ""); return err },
			"stepdown": func() error { _, err := client.StepDown(t.Context()); return err },
			"snapshot": func() error { _, err := client.Snapshot(t.Context()); return err },
		} {
			asked.Store(0)
			var unknown *consensus.UnknownOutcomeError
			require.ErrorAs(t, change(), &unknown, "%s %q", name, answer)
			assert.EqualValues(t, 1, asked.Load(), "%s %q", name, answer)
		}
		assert.Empty(t, f.asked, "%q", answer)
		_, err := client.Read(t.Context(), "x")
		require.NoError(t, err, "reading can be repeated")
		_, err = client.Status(t.Context())
		require.NoError(t, err)
	}
}

func TestAServerThatHangsIsPassedOver(t *testing.T) {
	t.Parallel()
	hanging := serverOf(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		assert.Equal(t, "/health", req.URL.Path, "nothing else is asked of it")
		assert.Empty(t, req.Header.Get("Authorization"))
		<-req.Context().Done()
	}))
	f := newFake()
	good, asked := counted(t, handlerOf(t, f, Options{}))
	follower := serverOf(t, handlerOf(t, followerOf(hanging.URL), Options{})) // it still takes the one that hangs for the leader
	client := clientOf(t, hanging.URL, follower.URL, good.URL)
	client.probing, client.timeout = 3*time.Second, patience
	_, err := client.Apply(t.Context(), consensus.Command{Type: "set"})
	require.NoError(t, err)
	assert.Len(t, f.asked, 1)
	assert.EqualValues(t, 1, asked.Load())

	client = clientOf(t, hanging.URL, hanging.URL)
	client.probing = 50 * time.Millisecond
	_, err = client.Apply(t.Context(), consensus.Command{Type: "set"})
	var unreachable *UnreachableError
	require.ErrorAs(t, err, &unreachable, "nothing was sent")
}

func TestAServerThatHasJustAnsweredIsNotAskedForItsHealth(t *testing.T) {
	var asked atomic.Int32
	h := handlerOf(t, newFake(), Options{})
	good := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		h.ServeHTTP(w, req)
	}))
	client := clientOf(t, good.URL, "http://127.0.0.1:1")
	client.heard.Store(good.URL, time.Now().Add(time.Hour)) // in any case recent
	for range 3 {
		_, err := client.Apply(t.Context(), consensus.Command{Type: "set"})
		require.NoError(t, err)
		client.heard.Store(good.URL, time.Now().Add(time.Hour))
	}
	assert.EqualValues(t, 3, asked.Load())
	_, err := clientOf(t, good.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	require.NoError(t, err)
	assert.EqualValues(t, 4, asked.Load(), "nor one that is the only one")
	_, err = clientOf(t, good.URL, good.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	require.NoError(t, err)
	assert.EqualValues(t, 6, asked.Load(), "but others are")
}

func TestWhatAServerCallsUnknownIsUnknown(t *testing.T) {
	f := newFake()
	f.act = func(context.Context) error { panic("in the midst") }
	second, asked := counted(t, handlerOf(t, newFake(), Options{}))
	_, err := clientOf(t, serverOf(t, handlerOf(t, f, Options{})).URL, second.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	var unknown *consensus.UnknownOutcomeError
	require.ErrorAs(t, err, &unknown)

	contradictory := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusGatewayTimeout)
		_, _ = io.WriteString(w, `{"error":"who knows","code":"unknown_outcome","retryable":true,"unknownOutcome":true}`)
	}))
	_, err = clientOf(t, contradictory.URL, second.URL).Apply(t.Context(), consensus.Command{Type: "set"})
	require.ErrorAs(t, err, &unknown)
	assert.Zero(t, asked.Load())
}

func TestAClosedClientHoldsNoConnections(t *testing.T) {
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(handlerOf(t, newFake(), Options{}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	server.Start()
	defer server.Close()
	client := clientOf(t, server.URL)
	_, err := client.Status(t.Context())
	require.NoError(t, err)
	client.Close()
	<-closed
}

func TestClientIsBoundedByItsTimeout(t *testing.T) {
	t.Parallel()
	hanging := serverOf(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}))
	c, err := NewClient(ClientOptions{Servers: []string{hanging.URL}, Timeout: 2 * time.Second})
	require.NoError(t, err)
	_, err = c.Apply(t.Context(), consensus.Command{Type: "set"})
	require.ErrorIs(t, err, consensus.ErrUnknownOutcome)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.Status(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, consensus.ErrUnknownOutcome)
}

func TestANodeThatIsNotWellIsAnAnswerAndNoError(t *testing.T) {
	f := newFake()
	close(f.ended)
	client := clientOf(t, serverOf(t, handlerOf(t, f, Options{})).URL)
	health, err := client.Health(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, StatusStopped, health.Status)
	detailed, err := client.DetailedHealth(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, detailed.Checks)
}

func TestTokensAreNotSentInTheClearToALeader(t *testing.T) {
	a := newAuthority(t)
	plain := serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked in the clear") }))
	follower := a.secure(handlerOf(t, followerOf(plain.URL), Options{}))
	client, err := NewClient(ClientOptions{Servers: []string{follower.URL}, Token: token, TLS: &tls.Config{RootCAs: a.pool()}})
	require.NoError(t, err)
	_, err = client.Apply(t.Context(), consensus.Command{Type: "set"})
	assert.ErrorIs(t, err, consensus.ErrNotLeader)
}

func TestClientSurvivesTheEndOfTheLeader(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{})
	old := c.leader()
	var servers []string
	for _, m := range c.members {
		servers = append(servers, m.url)
	}
	client := clientOf(t, servers...)
	_, err := client.Apply(t.Context(), kv.Set("a", "1"))
	require.NoError(t, err)
	require.NoError(t, old.Stop(t.Context()))
	old.server.Close()
	delete(c.members, old.ID())
	require.Eventually(t, func() bool {
		_, err := client.Apply(t.Context(), kv.Set("a", "2"))
		if err != nil && !consensus.IsRetryable(err) {
			assert.ErrorIs(t, err, consensus.ErrUnknownOutcome, fmt.Sprint(err))
		}
		return err == nil
	}, patience, 10*time.Millisecond)
}

func TestWhatMayMakeAnotherNodeLeadIsAskedOfOneServerOnly(t *testing.T) {
	var asked atomic.Int64
	var servers []string
	for range 2 {
		f := newFake()
		f.err = consensus.ErrElectionTimeout
		f.act = func(context.Context) error { asked.Add(1); return f.err }
		servers = append(servers, serverOf(t, handlerOf(t, f, Options{})).URL)
	}
	c, err := NewClient(ClientOptions{Servers: servers, Token: token})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = c.StepDown(t.Context())
	require.ErrorIs(t, err, consensus.ErrElectionTimeout)
	assert.EqualValues(t, 1, asked.Load(), "the second server may lead by now, since the first has stepped down after all")
}
