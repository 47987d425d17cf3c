package s3lect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// network carries questions between electors in a bubble, a millisecond each way.
type network struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
	asked    map[string]int
}

func newNetwork() *network {
	return &network{handlers: map[string]http.Handler{}, asked: map[string]int{}}
}

var errRefused = errors.New("connection refused")

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.asked[req.URL.Host]++
	handler := n.handlers[req.URL.Host]
	n.mu.Unlock()
	time.Sleep(time.Millisecond)
	if handler == nil {
		return nil, errRefused
	}
	answer := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(answer, req)
	}()
	select {
	case <-done:
		time.Sleep(time.Millisecond)
		return answer.Result(), nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

func (n *network) serve(addr string, handler http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[addr] = handler
}

func (n *network) questions() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.asked)
}

// startPeer starts an elector in peer mode that also serves its endpoint.
func startPeer(t *testing.T, n *network, storage Storage, id string, change ...func(*ElectorConfig)) *S3Elector {
	t.Helper()
	config := testConfig(id)
	config.ServerAddr, config.PeerMode = id+".example:8443", true
	for _, f := range change {
		f(config)
	}
	machine := *env.System()
	machine.PeerTransport = n
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: quiet(), Env: &machine})
	require.NoError(t, err)
	n.serve(config.ServerAddr, NewLeadershipHandler(e, quiet()))
	require.NoError(t, e.Start(t.Context()))
	return e
}

func TestFollowersInPeerModeHardlyReadTheStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, n := newMemStorage(), newNetwork()
		leader := startPeer(t, n, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		follower := startPeer(t, n, storage, "b")
		time.Sleep(2 * time.Minute)
		before, _, _ := storage.counts()
		time.Sleep(15 * time.Minute)
		after, _, _ := storage.counts()
		assert.LessOrEqual(t, after-before, 21, "every third lease")
		status := follower.GetLeadershipStatus()
		assert.Equal(t, "a", status.LeaderID)
		assert.WithinDuration(t, time.Now(), status.PeerLastSeen, 6*time.Second)
		assert.WithinDuration(t, time.Now(), status.LeaderLastSeen, 6*time.Second)
		assert.Empty(t, status.PeerError)
		assert.Zero(t, n.questions()["b.example:8443"])
		require.NoError(t, leader.Stop())
		require.NoError(t, follower.Stop())
	})
}

func TestFollowerInPeerModeTakesOverAtOnceWhenTheLeaderStops(t *testing.T) {
	for name, end := range map[string]func(*S3Elector) error{
		"Stop":               (*S3Elector).Stop,
		"Resign":             func(e *S3Elector) error { return e.Resign(context.Background()) },
		"TransferLeadership": func(e *S3Elector) error { return e.TransferLeadership(context.Background(), "b") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, n := newMemStorage(), newNetwork()
				leader := startPeer(t, n, storage, "a")
				require.NoError(t, leader.WaitForLeadership(soon(t)))
				follower := startPeer(t, n, storage, "b")
				time.Sleep(time.Minute)
				began := time.Now()
				require.NoError(t, end(leader))
				require.NoError(t, follower.WaitForLeadership(soon(t)))
				assert.Less(t, time.Since(began), 400*time.Millisecond)
				require.NoError(t, follower.Stop())
				require.NoError(t, leader.Stop())
			})
		})
	}
}

func TestPeerModeFallsBackToTheStorageWhereTheLeaderServesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, n := newMemStorage(), newNetwork()
		leader := startElector(t, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		var log lockedBuffer
		config := testConfig("b")
		config.ServerAddr, config.PeerMode = "b.example:8443", true
		machine := *env.System()
		machine.PeerTransport = n
		follower, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: slog.New(slog.NewTextHandler(&log, nil)), Env: &machine})
		require.NoError(t, err)
		require.NoError(t, follower.Start(t.Context()))
		time.Sleep(10 * time.Minute)
		status := follower.GetLeadershipStatus()
		assert.Equal(t, "a", status.LeaderID)
		assert.WithinDuration(t, time.Now(), status.LeaderLastSeen, 16*time.Second)
		assert.Contains(t, status.PeerError, "127.0.0.1:8443")
		assert.Contains(t, status.PeerError, "connection refused")
		assert.Zero(t, status.ConsecutiveFails)
		assert.Equal(t, 1, strings.Count(log.String(), "cannot ask the leader"), "it is said once")
		require.NoError(t, leader.Stop())
		require.NoError(t, follower.WaitForLeadership(soon(t)))
		assert.Empty(t, follower.GetLeadershipStatus().PeerError)
		require.NoError(t, follower.Stop())
	})
}

func TestQuestionsEndWithTheElector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		storage, n := newMemStorage(), newNetwork()
		leader := startPeer(t, n, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		follower := startPeer(t, n, storage, "b")
		time.Sleep(time.Minute)
		began := time.Now()
		require.NoError(t, follower.Stop())
		assert.Zero(t, time.Since(began))
		require.NoError(t, leader.Stop())
	})
}

func TestPeerModeCanBeEnabledWhileFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, n := newMemStorage(), newNetwork()
		leader := startPeer(t, n, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		follower := startPeer(t, n, storage, "b", func(c *ElectorConfig) { c.PeerMode = false })
		time.Sleep(time.Minute)
		assert.Zero(t, n.questions()["a.example:8443"])
		require.NoError(t, follower.EnablePeerMode(nil))
		time.Sleep(time.Minute)
		assert.NotZero(t, n.questions()["a.example:8443"])
		assert.NotZero(t, follower.GetLeadershipStatus().PeerLastSeen)
		require.NoError(t, leader.Stop())
		require.NoError(t, follower.Stop())
	})
}

func TestQuestionUnderWayIsPutAgainByAnotherClientWithoutAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, n := newMemStorage(), newNetwork()
		leader := startPeer(t, n, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		follower := startPeer(t, n, storage, "b")
		time.Sleep(time.Minute)
		require.Empty(t, follower.GetLeadershipStatus().PeerError)
		before, _, _ := storage.counts()
		config := follower.GetConfig()
		config.PeerHealthPath = "/other" // the handlers here answer at any path
		require.NoError(t, follower.UpdateConfig(*config))
		time.Sleep(100 * time.Millisecond)
		after, _, _ := storage.counts()
		assert.Empty(t, follower.GetLeadershipStatus().PeerError)
		assert.Equal(t, before, after, "read at once")
		require.NoError(t, leader.Stop())
		require.NoError(t, follower.Stop())
	})
}

// startLogged starts a follower in peer mode that asks by the given transport.
func startLogged(t *testing.T, rt http.RoundTripper, storage Storage, id string, log *lockedBuffer) *S3Elector {
	t.Helper()
	config := testConfig(id)
	config.ServerAddr, config.PeerMode = id+".example:8443", true
	machine := *env.System()
	machine.PeerTransport = rt
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: storage, Logger: slog.New(slog.NewTextHandler(log, nil)), Env: &machine})
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context()))
	return e
}

func TestEndpointAtAnotherPathIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, n := newMemStorage(), newNetwork()
		leader := startPeer(t, n, storage, "a")
		require.NoError(t, leader.WaitForLeadership(soon(t)))
		n.serve("a.example:8443", http.NotFoundHandler()) // the endpoint is mounted elsewhere
		var log lockedBuffer
		follower := startLogged(t, n, storage, "b", &log)
		time.Sleep(10 * time.Minute)
		assert.NotEmpty(t, follower.GetLeadershipStatus().PeerError)
		assert.Contains(t, log.String(), "cannot ask")
		require.NoError(t, leader.Stop())
		require.NoError(t, follower.Stop())
	})
}

func TestEnablePeerModeLosesNoOtherChangeMadeMeanwhile(t *testing.T) {
	for range 500 {
		e := newElector(t, newMemStorage(), "a")
		config := e.GetConfig()
		config.PeerTimeout = 42 * time.Millisecond
		var both sync.WaitGroup
		both.Go(func() { assert.NoError(t, e.EnablePeerMode(nil)) })
		both.Go(func() { assert.NoError(t, e.UpdateConfig(*config)) })
		both.Wait()
		assert.Equal(t, config.PeerTimeout, e.GetConfig().PeerTimeout)
	}
}

// answering is a peer that gives one answer to everybody.
func answering(status int, header http.Header, body string) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestUselessAnswersOfAPeerAreErrorsThatSayWhy(t *testing.T) {
	good := `{"leaderID":"a","lastUpdated":"2026-01-01T00:00:00Z"`
	for want, transport := range map[string]http.RoundTripper{
		"no leader record":       answering(http.StatusOK, nil, "<html>"),
		"no lastUpdated":         answering(http.StatusOK, nil, "{}"),
		"over 65536 bytes":       answering(http.StatusOK, nil, good+`,"x":"`+strings.Repeat("x", 64<<10)+`"}`),
		"not of the right shape": answering(http.StatusOK, nil, good+`,"pollMillis":"soon"}`),
		"Moved Permanently":      answering(http.StatusMovedPermanently, http.Header{"Location": {"https://elsewhere"}}, ""),
		"its term -1":            answering(http.StatusOK, nil, good+`,"term":-1}`),
		"its leaseMillis":        answering(http.StatusOK, nil, good+`,"leaseMillis":36000000}`),
		"neither an answer nor":  roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }), //nolint:nilnil // what it should not
		"connection refused":     roundTripper(func(*http.Request) (*http.Response, error) { return nil, errRefused }),
	} {
		c := &peerClient{path: "/health/leadership", given: transport}
		_, err := c.ask(t.Context(), &lease.Question{Addr: "10.0.0.1:8443"})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "10.0.0.1:8443")
	}
}

func TestAddressFromTheStorageIsNeverMoreThanAHostAndAPort(t *testing.T) {
	asked := roundTripper(func(req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("asked %s", req.URL)
	})
	for _, addr := range []string{"", "host", "host:", ":1", "host:0", "host:99999", "host:http", "user@host:1", "host/path:1", "host?x:1", "host#x:1", "ho st:1", "host:1/x", "a\nb:1", "[::1:1", "%zz:1", `h\o:1`, "<h>:1", "[fe80::1%eth0/x?y]:1"} {
		c := &peerClient{path: "/health/leadership", given: asked}
		_, err := c.ask(t.Context(), &lease.Question{Addr: addr})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "asked ", "%q was used", addr)
	}
	c := &peerClient{path: "/health/leadership", given: asked}
	_, err := c.ask(t.Context(), &lease.Question{Addr: "[::1]:8443", Session: "a b", After: 7})
	require.ErrorContains(t, err, "asked https://[::1]:8443/health/leadership?after=7&session=a+b")
}

func TestDecodedWordIsWithinBounds(t *testing.T) {
	word, err := decodeWord([]byte(`{"leaderID":"a","lastUpdated":"2026-01-01T00:00:00Z","pollMillis":9223372036854775807,"followers":-4}`))
	require.NoError(t, err)
	assert.Equal(t, lease.MaxLease, word.Poll)
	assert.Zero(t, word.Followers)
}

func FuzzPeerAnswer(f *testing.F) {
	body, err := json.Marshal(Announcement{LeaderRecord: LeaderRecord{LeaderID: "a", LastUpdated: time.Unix(1, 0)}, ETag: "e", PollMillis: 5000})
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte(`{"pollMillis":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		word, err := decodeWord(body)
		if err == nil && (word.Poll < 0 || word.Poll > lease.MaxLease || word.Followers < 0) {
			t.Errorf("%q is accepted as %+v", body, word)
		}
	})
}
