package s3lect

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// member is an elector in peer mode with its health server, over real mutual TLS.
type member struct {
	*S3Elector

	server *HealthServer
	conns  *countingListener
}

// countingListener counts the connections that it has accepted, and can break them.
type countingListener struct {
	net.Listener

	n  atomic.Int64
	mu sync.Mutex
	of []net.Conn
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
		l.mu.Lock()
		l.of = append(l.of, conn)
		l.mu.Unlock()
	}
	return conn, err
}

func (l *countingListener) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.of {
		_ = conn.Close()
	}
	l.of = nil
}

// startMember starts one that renews every second, unless it is changed.
func startMember(t *testing.T, storage Storage, ca *testCA, id string, change ...func(*ElectorConfig)) *member {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	files := newPairFiles(t, ca.issue(t, id))
	m := &member{conns: &countingListener{Listener: listener}}
	m.S3Elector = newElector(t, storage, id, append([]func(*ElectorConfig){func(c *ElectorConfig) {
		c.ServerAddr = listener.Addr().String()
		c.LeaderTimeout = 3 * time.Second
		c.PeerMode, c.PeerCACert, c.PeerCertFile, c.PeerKeyFile = true, ca.pem, files.cert, files.key
	}}, change...)...)
	m.server, err = NewHealthServer(HealthServerConfig{
		BindAddress: listener.Addr().String(), CertFile: files.cert, KeyFile: files.key, ClientCACert: ca.pem,
		Elector: m.S3Elector, Logger: quiet(),
	})
	require.NoError(t, err)
	require.NoError(t, m.server.start(t.Context(), func() (net.Listener, error) { return m.conns, nil }))
	require.NoError(t, m.Start(t.Context()))
	t.Cleanup(func() {
		require.NoError(t, m.Stop())
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, m.server.Stop(ctx))
	})
	return m
}

// until waits, by what Watch and elections tell, until something is so.
func (m *member) until(t *testing.T, what string, is func(*LeadershipStatus) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	since := time.Time{}
	for {
		status, err := m.WaitForNextElection(ctx, since)
		require.NoError(t, err, what)
		if is(status) {
			return
		}
		since = status.LastElectionTime
	}
}

func TestFollowersHoldOneConnectionOverMutualTLSAndLearnEachRenewalByIt(t *testing.T) {
	t.Parallel()
	storage, ca := newMemStorage(), newTestCA(t, "fleet")
	leader := startMember(t, storage, ca, "a")
	require.NoError(t, leader.WaitForLeadership(t.Context()))
	follower := startMember(t, storage, ca, "b")
	seen := map[time.Time]bool{}
	follower.until(t, "five renewals by the leader's word", func(s *LeadershipStatus) bool {
		if s.PeerLastSeen.Equal(s.LeaderLastSeen) && !s.PeerLastSeen.IsZero() {
			seen[s.LeaderLastSeen] = true
		}
		return len(seen) == 5
	})
	assert.EqualValues(t, 1, leader.conns.n.Load())
	assert.Zero(t, follower.conns.n.Load())
	assert.Empty(t, follower.GetLeadershipStatus().PeerError)
}

func TestFollowerGoesOnByTheStorageAndComesBackWhenAConnectionHasBroken(t *testing.T) {
	t.Parallel()
	storage, ca := newMemStorage(), newTestCA(t, "fleet")
	leader := startMember(t, storage, ca, "a")
	require.NoError(t, leader.WaitForLeadership(t.Context()))
	follower := startMember(t, storage, ca, "b")
	follower.until(t, "a word", func(s *LeadershipStatus) bool { return !s.PeerLastSeen.IsZero() })
	reads, _, _ := storage.counts()
	broken := time.Now()
	leader.conns.breakAll()
	follower.until(t, "a word after the break", func(s *LeadershipStatus) bool { return s.PeerLastSeen.After(broken) })
	after, _, _ := storage.counts()
	assert.Greater(t, after, reads, "the storage was read")
	assert.True(t, leader.IsLeader())
	assert.EqualValues(t, 2, leader.conns.n.Load())
}

func TestFollowerOfAnotherAuthorityIsRefusedAndReadsTheStorage(t *testing.T) {
	t.Parallel()
	storage, ca, other := newMemStorage(), newTestCA(t, "fleet"), newTestCA(t, "strangers")
	leader := startMember(t, storage, ca, "a")
	require.NoError(t, leader.WaitForLeadership(t.Context()))
	follower := startMember(t, storage, other, "b")
	follower.until(t, "a refusal", func(s *LeadershipStatus) bool { return s.PeerError != "" })
	status := follower.GetLeadershipStatus()
	assert.Contains(t, status.PeerError, "certificate")
	assert.Zero(t, status.PeerLastSeen)
	follower.until(t, "renewals on the storage", func(s *LeadershipStatus) bool { return s.LeaderLastSeen.After(status.LeaderLastSeen) })
}

func TestEnablePeerModeRefusesAnAuthorityThatCannotBeUsed(t *testing.T) {
	e := newElector(t, newMemStorage(), "a")
	require.ErrorContains(t, e.EnablePeerMode([]byte("no certificate")), "PeerCACert")
	assert.False(t, e.GetConfig().PeerMode)
	require.NoError(t, e.EnablePeerMode(newTestCA(t, "fleet").pem))
	assert.True(t, e.GetConfig().PeerMode)
	config := e.GetConfig()
	config.PeerCertFile = "nowhere.pem"
	require.ErrorContains(t, e.UpdateConfig(*config), "PeerKeyFile")
}

func TestConfigurationCanBeUpdatedWhileCertificatesInUseAreBeingReplaced(t *testing.T) {
	files := newPairFiles(t, newTestCA(t, "fleet").issue(t, "a"))
	e := newElector(t, newMemStorage(), "a", func(c *ElectorConfig) {
		c.PeerMode, c.PeerCertFile, c.PeerKeyFile = true, files.cert, files.key
	})
	replaceFile(t, files.key, []byte("half"))
	config := e.GetConfig()
	config.LeaderTimeout = time.Minute
	require.NoError(t, e.UpdateConfig(*config))
	config.PeerCertFile = files.cert + ".other"
	require.ErrorContains(t, e.UpdateConfig(*config), "PeerCertFile")
	assert.Equal(t, time.Minute, e.GetConfig().LeaderTimeout)
}

func TestPeerModeIsNotTurnedOnWithFilesThatHaveBecomeUnusable(t *testing.T) {
	files := newPairFiles(t, newTestCA(t, "fleet").issue(t, "a"))
	e := newElector(t, newMemStorage(), "a", func(c *ElectorConfig) {
		c.PeerCertFile, c.PeerKeyFile = files.cert, files.key
	})
	replaceFile(t, files.key, []byte("half"))
	require.NoError(t, e.UpdateConfig(*e.GetConfig()))
	require.ErrorContains(t, e.EnablePeerMode(nil), "PeerKeyFile")
	assert.False(t, e.GetConfig().PeerMode)
}

// BenchmarkThousandWaitingFollowers measures what one follower that waits costs its leader: in the
// elector alone, and as a connection, where server and clients share the process, so that both ends
// are counted.
func BenchmarkThousandWaitingFollowers(b *testing.B) {
	ca := newTestCA(b, "fleet")
	cert := ca.issue(b, "node")
	config := testConfig("a")
	config.FrequentInterval, config.LeaderTimeout = 8*time.Second, 30*time.Second
	e, err := NewS3Elector(S3ElectorOptions{Config: config, Storage: newMemStorage(), Logger: quiet()})
	require.NoError(b, err)
	require.NoError(b, e.Start(b.Context()))
	require.NoError(b, e.WaitForLeadership(b.Context()))
	server, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, ClientCACert: ca.pem, Elector: e, Logger: quiet()})
	require.NoError(b, err)
	require.NoError(b, server.Start(b.Context()))
	url := "https://" + server.Addr().String() + DefaultPeerHealthPath

	b.Run("elector", func(b *testing.B) {
		benchmarkPolls(b, e, func(now Announcement) {
			if a, _ := e.Announce(b.Context(), now.Session, now.Sequence); a.Sequence <= now.Sequence {
				b.Errorf("answered %+v", a)
			}
		})
	})
	b.Run("mutual TLS", func(b *testing.B) {
		benchmarkPolls(b, e, func(now Announcement) {
			transport := &http.Transport{
				ForceAttemptHTTP2: true,
				TLSClientConfig:   &tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
			}
			benchmarkPoll(b, &http.Client{Transport: transport}, url, now)
			transport.CloseIdleConnections()
		})
	})
	require.NoError(b, e.Stop())
	require.NoError(b, server.Stop(context.Background()))
}

// benchmarkPolls has a thousand followers wait for the next renewal.
func benchmarkPolls(b *testing.B, e *S3Elector, wait func(now Announcement)) {
	b.Helper()
	const followers = 1000
	for b.Loop() {
		now, _ := e.Announce(b.Context(), "", 0)
		// After a renewal, so that there is time until the next.
		now, _ = e.Announce(b.Context(), now.Session, now.Sequence)
		before, running := footprintNow(), runtime.NumGoroutine()
		var told sync.WaitGroup
		for range followers {
			told.Go(func() { wait(now) })
		}
		for e.podium.polls.Load() < followers && !b.Failed() {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(footprintNow()-before)/followers, "B/follower")
		b.ReportMetric(float64(runtime.NumGoroutine()-running)/followers, "goroutines/follower")
		told.Wait()
	}
}

func benchmarkPoll(b *testing.B, client *http.Client, url string, now Announcement) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+"?session="+now.Session+"&after="+strconv.FormatInt(now.Sequence, 10), http.NoBody)
	if err != nil {
		b.Error(err)
		return
	}
	answer, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	defer answer.Body.Close()
	var a Announcement
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil || a.Sequence <= now.Sequence {
		b.Errorf("answered %+v, %v", a, err)
	}
}

// footprintNow returns the bytes of heap and stacks in use.
func footprintNow() int64 {
	var stats runtime.MemStats
	for range 3 { // the first collection lets goroutines shrink their stacks
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}
