package endpoint_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

func TestPatienceGrowsWithTheMessage(t *testing.T) {
	assert.Equal(t, time.Second, endpoint.Patience(time.Second, 0))
	assert.Equal(t, time.Second, endpoint.Patience(time.Second, 1<<20-1))
	assert.Equal(t, 65*time.Second, endpoint.Patience(time.Second, 64<<20))
}

// A GiB that is put on a disk of 10 MB/s and read into a machine takes minutes, and not the life of the leader.
func TestAGiBHasTheTimeOfASlowDisk(t *testing.T) {
	patience := endpoint.SnapshotPatience(time.Second, 1<<30)
	assert.Greater(t, patience, 10*time.Minute)
	assert.Less(t, patience, 2*time.Hour)
	assert.Equal(t, 10*time.Second, endpoint.Stall(0, time.Second))
	assert.Equal(t, time.Minute, endpoint.Stall(0, time.Minute))
	assert.Equal(t, time.Second, endpoint.Stall(time.Second, time.Minute))
}

func TestRefusalsDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		refusals := endpoint.NewRefusals(slog.New(slog.NewTextHandler(&log, nil)))
		remote := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7}
		for range 1000 {
			refusals.Log(remote, errors.New("no"))
		}
		assert.Equal(t, 20, strings.Count(log.String(), "\n"))
		assert.NotContains(t, log.String(), "suppressed")
		time.Sleep(10 * time.Second)
		refusals.Log(remote, errors.New("no"))
		assert.Equal(t, 21, strings.Count(log.String(), "\n"))
		assert.Contains(t, log.String(), "suppressed=980")
	})
}

func TestARequestIsDroppedThatTheEngineDoesNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := endpoint.NewInbox(time.Second)
		start := time.Now()
		_, _, err := inbox.Serve(&raft.TimeoutNowRequest{}, nil)
		require.ErrorContains(t, err, "1s")
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestClosingAnInboxEndsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbox := endpoint.NewInbox(time.Hour)
		results := make(chan error, 2)
		serve := func() {
			_, _, err := inbox.Serve(&raft.TimeoutNowRequest{}, nil)
			results <- err
		}
		go serve()
		<-inbox.Consumer() // which is never answered
		go serve()         // and one that is never taken
		synctest.Wait()
		inbox.Close()
		inbox.Close()
		require.ErrorIs(t, <-results, endpoint.ErrClosed)
		require.ErrorIs(t, <-results, endpoint.ErrClosed)
		serve()
		require.ErrorIs(t, <-results, endpoint.ErrClosed)
	})
}

// conn is one that only notes that it was closed.
type conn struct {
	net.Conn
	closed bool
}

func (c *conn) Close() error {
	c.closed = true
	return nil
}

func TestTheOldestHandshakeGivesWay(t *testing.T) {
	gate := endpoint.NewGate(10, 2)
	member, first, second, third := &conn{}, &conn{}, &conn{}, &conn{}
	require.NoError(t, gate.Enter(member))
	gate.Known(member)
	require.NoError(t, gate.Enter(first))
	require.NoError(t, gate.Enter(second))
	require.NoError(t, gate.Enter(third))
	assert.True(t, first.closed)
	assert.False(t, second.closed || third.closed || member.closed)
	gate.Leave(second)
	require.NoError(t, gate.Enter(&conn{}))
	assert.False(t, third.closed, "there was a place")
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	gate := endpoint.NewGate(2, 10)
	first := &conn{}
	require.NoError(t, gate.Enter(first))
	require.NoError(t, gate.Enter(&conn{}))
	surplus := &conn{}
	require.ErrorContains(t, gate.Enter(surplus), "MaxConnections")
	assert.True(t, surplus.closed)
	gate.Leave(first)
	require.NoError(t, gate.Enter(&conn{}))
}

func TestAClosedGateClosesAllAndLetsNobodyIn(t *testing.T) {
	gate := endpoint.NewGate(0, 0)
	open, late := &conn{}, &conn{}
	require.NoError(t, gate.Enter(open))
	gate.Close()
	assert.True(t, open.closed)
	require.ErrorIs(t, gate.Enter(late), endpoint.ErrClosed)
	assert.True(t, late.closed)
}

// What the user's own function chooses is held to the same rules.
func TestAConfigurationChosenForAClientDemandsCertificates(t *testing.T) {
	chosen := &tls.Config{Certificates: make([]tls.Certificate, 1)}
	server := endpoint.ServerTLS(&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }}, "h2")
	_, err := server.GetConfigForClient(nil)
	require.ErrorContains(t, err, "ClientCAs")
	assert.Equal(t, tls.RequireAndVerifyClientCert, server.ClientAuth)
	assert.Equal(t, []string{"h2"}, server.NextProtos)
}

func TestWhatIsNotSetIsFilledIn(t *testing.T) {
	c, err := endpoint.Check(transport.Config{ClusterID: "c", NodeID: "n"})
	require.NoError(t, err)
	assert.Positive(t, c.Timeout)
	assert.Positive(t, c.MaxMessage)
	assert.NotNil(t, c.Logger)
	_, err = endpoint.Check(transport.Config{ClusterID: "c", NodeID: "n", Timeout: -1})
	require.ErrorContains(t, err, "Timeout")
}
