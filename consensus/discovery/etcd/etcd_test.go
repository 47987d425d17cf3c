package etcd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
)

var (
	node1 = discovery.Node{ID: "n1", Address: "10.0.0.1", Port: 7000, Voter: true}
	node2 = discovery.Node{ID: "n2", Address: "10.0.0.2", Port: 7000}
)

func started(t *testing.T, options Options) discovery.Discovery {
	t.Helper()
	d, err := New(options)
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return d
}

func (s *server) options() Options {
	return Options{Endpoints: []string{s.address}, Prefix: "/raft", TTL: 5 * time.Second}
}

func watch(t *testing.T, d discovery.Discovery) <-chan []discovery.Node {
	t.Helper()
	lists, err := d.Watch(t.Context())
	require.NoError(t, err)
	return lists
}

// The process is this test's binary, and runs the test below.
func TestNodeOfAKilledProcessIsOffTheList(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	lists := watch(t, started(t, s.options()))
	require.Empty(t, <-lists)
	process := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRegisterAndWaitToBeKilled$")
	process.Env = append(os.Environ(), "ETCD_TEST_SERVER="+s.address)
	require.NoError(t, process.Start())
	require.Equal(t, []discovery.Node{node1}, <-lists)
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	require.Empty(t, <-lists)
}

func TestRegisterAndWaitToBeKilled(t *testing.T) {
	address := os.Getenv("ETCD_TEST_SERVER")
	if address == "" {
		t.Skip("is run by TestNodeOfAKilledProcessIsOffTheList")
	}
	require.NoError(t, started(t, (&server{address: address}).options()).Register(t.Context(), node1))
	select {}
}

func TestLeaseIsKeptAlive(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	d := started(t, s.options())
	require.NoError(t, d.Register(t.Context(), node1))
	lists := watch(t, d)
	require.Equal(t, []discovery.Node{node1}, <-lists)
	select {
	case nodes := <-lists:
		assert.Fail(t, "list was sent", "%+v", nodes)
	case <-time.After(8 * time.Second): // a lease and a half
	}
}

func TestServerIsKilledAndNothingIsTakenForGone(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	options := s.options()
	options.TTL = time.Minute
	d := started(t, options)
	lists := watch(t, d)
	require.Empty(t, <-lists)
	require.NoError(t, d.Register(t.Context(), node1))
	require.Equal(t, []discovery.Node{node1}, <-lists)

	s.kill()
	select {
	case nodes := <-lists:
		assert.Fail(t, "list was sent", "%+v", nodes)
	case <-time.After(time.Second):
	}
	s.start(t)
	require.Equal(t, []discovery.Node{node1}, <-lists) // once more
	require.NoError(t, d.Register(t.Context(), node2))
	require.Equal(t, []discovery.Node{node1, node2}, <-lists)
	require.NoError(t, d.Unregister(t.Context(), "n1"))
	require.Equal(t, []discovery.Node{node2}, <-lists)
}

// A server that begins anew, with the data of another time, knows neither leases nor keys.
func TestServerThatHasForgottenIsTold(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	d := started(t, s.options())
	require.NoError(t, d.Register(t.Context(), node1))
	lists := watch(t, d)
	require.Equal(t, []discovery.Node{node1}, <-lists)
	s.kill()
	for i, argument := range s.arguments {
		if strings.HasPrefix(argument, "--data-dir=") {
			s.arguments[i] = "--data-dir=" + t.TempDir()
		}
	}
	s.start(t)
	for nodes := range lists {
		if len(nodes) == 1 { // after an empty list, or at once
			require.Equal(t, []discovery.Node{node1}, nodes)
			return
		}
		require.Empty(t, nodes)
	}
}

func TestCompactedRevisionsAreReadAgain(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	direct := s.client(t, clientv3.Config{})
	var last int64
	for i := range 5 {
		put, err := direct.Put(t.Context(), "/raft/n1", asJSON(t, discovery.Node{ID: "n1", Address: "a", Port: 7000 + i}))
		require.NoError(t, err)
		last = put.Header.Revision
	}
	_, err := direct.Compact(t.Context(), last)
	require.NoError(t, err)

	source, err := newSource(s.options())
	require.NoError(t, err)
	client, err := source.connected(t.Context())
	require.NoError(t, err)
	defer source.Close()
	_, _, err = source.read(t.Context(), client)
	require.NoError(t, err)
	require.NoError(t, source.waitForChange(t.Context(), client, 1), "does not say that there was an outage")
}

func TestRemovedKeyOfALivingProcessIsPutBack(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	d := started(t, s.options())
	require.NoError(t, d.Register(t.Context(), node1))
	lists := watch(t, d)
	require.Equal(t, []discovery.Node{node1}, <-lists)
	require.NoError(t, started(t, s.options()).Unregister(t.Context(), "n1"))
	require.Empty(t, <-lists)
	require.Equal(t, []discovery.Node{node1}, <-lists)
}

// As when a node is started elsewhere before its old process has ended.
func TestStopLeavesAKeyOfAnotherProcessAlone(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	older, newer := started(t, s.options()), started(t, s.options())
	require.NoError(t, older.Register(t.Context(), node1))
	moved := node1
	moved.Address = "10.0.0.9"
	require.NoError(t, newer.Register(t.Context(), moved))
	require.NoError(t, older.Stop(t.Context()))
	nodes, err := newer.GetNodes(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []discovery.Node{moved}, nodes)
}

func TestStopWhileTheServerIsAwayNamesWhatStays(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	d := started(t, s.options())
	require.NoError(t, d.Register(t.Context(), node1))
	s.kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := d.Stop(ctx)
	require.ErrorContains(t, err, "n1")
	require.ErrorContains(t, err, s.address)
}

func TestMoreKeysThanAClusterCanHaveAreRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	direct := s.client(t, clientv3.Config{})
	var puts []clientv3.Op
	for i := range 257 {
		id := fmt.Sprint("n", i)
		puts = append(puts, clientv3.OpPut("/raft/"+id, asJSON(t, discovery.Node{ID: id, Address: "a", Port: 1})))
	}
	for len(puts) > 0 {
		some := puts[:min(100, len(puts))]
		_, err := direct.Txn(t.Context()).Then(some...).Commit()
		require.NoError(t, err)
		puts = puts[len(some):]
	}
	_, err := started(t, s.options()).GetNodes(t.Context())
	require.ErrorContains(t, err, "more than 256")
}

func TestImpossibleOptionsAreRefused(t *testing.T) {
	here := []string{"127.0.0.1:2379"}
	for _, test := range []struct {
		options Options
		names   string
	}{
		{Options{Prefix: "/raft"}, "endpoints are missing"},
		{Options{Endpoints: []string{"127.0.0.1:1", "host"}, Prefix: "/raft"}, "endpoint 2"},
		{Options{Endpoints: here}, "prefix is missing"},
		{Options{Endpoints: here, Prefix: "/"}, "prefix is missing"},
		{Options{Endpoints: here, Prefix: "/a\n"}, `"/a\n"`},
		{Options{Endpoints: here, Prefix: "/raft", Username: "root"}, "password"},
		{Options{Endpoints: here, Prefix: "/raft", TTL: time.Millisecond}, "TTL 1ms"},
	} {
		_, err := New(test.options)
		assert.ErrorContains(t, err, test.names)
	}
	const secret = "very-secret"
	_, err := New(Options{Endpoints: []string{"http://root:" + secret + "@host:2379"}, Prefix: "/raft"})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), secret)
}
