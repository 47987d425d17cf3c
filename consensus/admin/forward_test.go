package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// followerOf is a fake follower of a leader with an API.
func followerOf(api string) *fake {
	f := newFake()
	f.role, f.leads, f.info.NodeID = consensus.RoleFollower, false, "n2"
	f.err = &consensus.NotLeaderError{LeaderID: "n1", LeaderAddress: "n1:7000", LeaderAPI: api}
	return f
}

// leaderRoutes are those that are handed on.
func leaderRoutes() (all []*route) {
	for _, to := range routes {
		if to.leader {
			all = append(all, to)
		}
	}
	return all
}

func TestFollowersAskTheLeaderInPlaceOfTheClient(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, Options{Forward: true})
	leader := c.leader()
	follower := c.followers()[0]
	w := follower.ask(t, http.MethodPost, "/apply", set)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	index := decoded[Applied](t, w).Index
	w = follower.ask(t, http.MethodPost, "/read", `{"query":{"get":"color"}}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var value kv.Answer
	require.NoError(t, json.Unmarshal(decoded[Answer](t, w).Value, &value))
	assert.Equal(t, kv.Answer{Value: "blue", Found: true, Version: index}, value)

	assert.Equal(t, CodeMachineError, failureOf(t, follower.ask(t, http.MethodPost, "/apply", `{"type":"dance"}`)).Code, "as the leader has answered")
	assert.Equal(t, CodePeerExists, failureOf(t, follower.ask(t, http.MethodPost, "/nodes/add", `{"id":"n1","address":"n1","port":7000}`)).Code)
	w = follower.ask(t, http.MethodPost, "/leadership/transfer", `{"node":"`+follower.ID()+`"}`)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	assert.Same(t, follower, c.leader())
	assert.Contains(t, follower.ask(t, http.MethodGet, "/metrics", "").Body.String(), `s3lect_consensus_http_forwarded_total{result="answered"} 5`)
	assert.Equal(t, http.StatusOK, leader.ask(t, http.MethodPost, "/leadership/stepdown", "").Code, "asked of whoever does not lead any more")
}

func TestWhatGoesOnIsPathBodyAndTokenAlone(t *testing.T) {
	var seen []*http.Request
	var bodiesSeen []string
	leader := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		seen, bodiesSeen = append(seen, req), append(bodiesSeen, string(body))
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"said by the leader","code":"no_quorum","retryable":true,"unknownOutcome":false}`+"\n")
	}))
	h := handlerOf(t, followerOf(leader.URL+"/raft/"), Options{Forward: true, Prefix: "/here"})
	for i, to := range leaderRoutes() {
		w := ask(t, h, http.MethodPost, "/here"+to.path, bodies[to.path],
			header{"Idempotency-Key", "1"}, header{"X-Idempotency-Key", "1"}, header{"Cookie", "c=d"}, header{"X-Forwarded-For", "10.0.0.9"}, header{"Accept", "text/html"})
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "said by the leader", failureOf(t, w).Text)
		assert.Equal(t, "7", w.Header().Get("Retry-After"))
		assert.Empty(t, w.Header().Get("Set-Cookie"))
		req := seen[i]
		assert.Equal(t, "/raft"+to.path, req.URL.String())
		assert.Equal(t, bodies[to.path], bodiesSeen[i])
		assert.Equal(t, "Bearer "+token, req.Header.Get("Authorization"))
		assert.Equal(t, "n2", req.Header.Get(forwardedHeader))
		assert.True(t, isJSONType(req.Header.Get("Content-Type")))
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Cookie", "X-Forwarded-For", "Accept"} {
			assert.Empty(t, req.Header.Get(name), name)
		}
	}
	assert.Len(t, seen, len(leaderRoutes()))
}

func TestARequestIsHandedOnOnceAlone(t *testing.T) {
	var asked atomic.Int32
	servers := [2]*httptest.Server{}
	for i := range servers {
		servers[i] = httptest.NewUnstartedServer(nil)
	}
	for i, server := range servers { // each takes the other one for the leader
		h := handlerOf(t, followerOf("http://"+servers[1-i].Listener.Addr().String()), Options{Forward: true})
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked.Add(1)
			h.ServeHTTP(w, req)
		})
		server.Start()
		t.Cleanup(server.Close)
	}
	h := handlerOf(t, followerOf(servers[0].URL), Options{Forward: true})
	w := ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
	assert.Equal(t, CodeNotLeader, failureOf(t, w).Code)
	assert.NotEmpty(t, w.Header().Get("Location"))
	assert.EqualValues(t, 1, asked.Load())

	asked.Store(0)
	assert.Equal(t, CodeNotLeader, failureOf(t, ask(t, h, http.MethodPost, "/apply", bodies["/apply"], header{forwardedHeader, "n7"})).Code)
	assert.Zero(t, asked.Load())
}

func TestCredentialsAreCheckedBeforeTheLeaderIsAsked(t *testing.T) {
	leader := serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the leader was asked") }))
	f := followerOf(leader.URL)
	for _, credentials := range []string{"", "Bearer other"} {
		w := ask(t, handlerOf(t, f, Options{Forward: true}), http.MethodPost, "/apply", bodies["/apply"], header{"Authorization", credentials})
		assert.Equal(t, http.StatusUnauthorized, w.Code)
	}
	h := handlerOf(t, f, Options{Forward: true})
	assert.Equal(t, http.StatusMisdirectedRequest, ask(t, handlerOf(t, f, Options{}), http.MethodPost, "/apply", bodies["/apply"]).Code, "not asked for")
	f.err = consensus.ErrNoLeader
	assert.Equal(t, http.StatusServiceUnavailable, ask(t, h, http.MethodPost, "/apply", bodies["/apply"]).Code)
}

func TestALeaderThatCannotBeReachedHasDoneNothing(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, api := range []string{gone.URL, strings.Replace(gone.URL, "http", "https", 1)} {
		h := handlerOf(t, followerOf(api), Options{Forward: true})
		for _, to := range leaderRoutes() {
			w := ask(t, h, http.MethodPost, to.path, bodies[to.path])
			failure := failureOf(t, w)
			assert.Equal(t, CodeLeaderUnreachable, failure.Code)
			assert.True(t, failure.Retryable)
			assert.False(t, failure.UnknownOutcome)
			assert.Equal(t, "1", w.Header().Get("Retry-After"))
		}
	}
}

// hangingUp reads the request and then ends the connection, or answers what is no answer.
func hangingUp(answer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = buffered.WriteString(answer)
		_ = buffered.Flush()
		_ = conn.Close()
	})
}

func TestWhatMayHaveBeenDoneIsAnUnknownOutcomeAndNotAskedAgain(t *testing.T) {
	for _, answer := range []string{
		"",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"index\":1",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>",
		"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: /elsewhere\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"nonsense\r\n\r\n",
	} {
		var asked atomic.Int32
		leader := serverOf(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked.Add(1)
			hangingUp(answer).ServeHTTP(w, req)
		}))
		h := handlerOf(t, followerOf(leader.URL), Options{Forward: true})
		for _, to := range leaderRoutes() {
			asked.Store(0)
			failure := failureOf(t, ask(t, h, http.MethodPost, to.path, bodies[to.path], header{"Idempotency-Key", "1"}))
			want := CodeUnknownOutcome
			if to.path == "/read" {
				want = CodeLeaderUnreachable
			}
			assert.Equal(t, want, failure.Code, "%s %q", to.path, answer)
			assert.Equal(t, to.path != "/read", failure.UnknownOutcome)
			assert.Equal(t, to.path == "/read", failure.Retryable)
			assert.EqualValues(t, 1, asked.Load(), "%s %q", to.path, answer)
		}
	}
}

func TestALeaderThatDoesNotAnswerIsWaitedForUntilTheTimeout(t *testing.T) {
	t.Parallel()
	leader := serverOf(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}))
	h := handlerOf(t, followerOf(leader.URL), Options{Forward: true, Timeout: 2 * time.Second})
	assert.Equal(t, CodeUnknownOutcome, failureOf(t, ask(t, h, http.MethodPost, "/apply", bodies["/apply"])).Code)
	failure := failureOf(t, ask(t, h, http.MethodPost, "/read", bodies["/read"]))
	assert.Equal(t, CodeTimeout, failure.Code)
	assert.True(t, failure.Retryable)
}

func TestOnlyRequestsForTheLeaderAreHandedOn(t *testing.T) {
	leader := serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the leader was asked") }))
	f := followerOf(leader.URL)
	h := handlerOf(t, f, Options{Forward: true})
	ask(t, h, http.MethodGet, "/status", "")
	f.err = nil
	ask(t, h, http.MethodPost, "/snapshot", "")
	ask(t, h, http.MethodPost, "/read", `{"query":1,"stale":true}`)
	ask(t, h, http.MethodPost, "/apply", bodies["/apply"])
}

func TestAnswersAreReadUpToALimit(t *testing.T) {
	_, err := readAll(io.LimitReader(zeros{}, maxAnswer))
	require.NoError(t, err)
	_, err = readAll(io.LimitReader(zeros{}, maxAnswer+1))
	require.ErrorContains(t, err, "larger than")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{0}, len(p))), nil }

func TestFollowersKeepTheirConnectionsToTheLeader(t *testing.T) {
	const clients, rounds = 32, 5
	var opened atomic.Int64
	var asking, all sync.WaitGroup
	leader := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asking.Done()
		asking.Wait() // for the others, so that each needs a connection
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"value":null}`+"\n")
	}))
	leader.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	leader.Start()
	t.Cleanup(leader.Close)
	forward := newForwarder(func() string { return "n2" }, Options{})
	t.Cleanup(forward.http.CloseIdleConnections)
	for range rounds {
		asking.Add(clients)
		for range clients {
			all.Go(func() {
				from := httptest.NewRequestWithContext(t.Context(), http.MethodPost, applyRoute.path, http.NoBody)
				assert.Equal(t, http.StatusOK, forward.ask(t.Context(), leader.URL, from, applyRoute, []byte(`{}`)).status)
			})
		}
		all.Wait()
	}
	assert.LessOrEqual(t, opened.Load(), int64(2*clients), "for %d requests, %d at once", rounds*clients, clients)
}
