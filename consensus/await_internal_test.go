package consensus

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// The engine never answers entries that wait for a state machine when it ends. If a new version of it has no such field
// any more, calls that are under way when a node stops leave a goroutine behind.
func TestFuturesOfTheEngineCanBeMadeToEndWithIt(t *testing.T) {
	address, transport := raft.NewInmemTransport("a")
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	store := raft.NewInmemStore()
	config := raft.DefaultConfig()
	config.LocalID, config.Logger = "a", engineLogger(discardLogger())
	require.NoError(t, raft.BootstrapCluster(config, store, store, raft.NewInmemSnapshotStore(), transport,
		raft.Configuration{Servers: []raft.Server{{ID: "a", Address: address}}}))
	stuck := make(chan struct{})
	engine, err := raft.NewRaft(config, stuckMachine{stuck: stuck}, store, store, raft.NewInmemSnapshotStore(), transport)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return engine.State() == raft.Leader }, 10*time.Second, time.Millisecond)

	ended := make(chan struct{})
	answers := make(chan error)
	const calls = 2
	for range calls {
		future := engine.Apply([]byte("x"), 0)
		endWith(future, ended)
		go func() { answers <- future.Error() }()
	}
	shutdown := engine.Shutdown()
	close(ended)
	for range calls {
		require.Error(t, <-answers)
	}
	close(stuck)
	require.NoError(t, shutdown.Error())
}
