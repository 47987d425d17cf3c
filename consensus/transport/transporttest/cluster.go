package transporttest

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// member is a bare engine on the transport.
type member struct {
	id        raft.ServerID
	address   raft.ServerAddress
	raft      *raft.Raft
	counter   *counter
	log       *raft.InmemStore
	snapshots *raft.InmemSnapshotStore
	down      bool
}

// counter is a state machine that counts, and keeps the sum of, the commands it has seen.
type counter struct {
	mu           sync.Mutex
	applied, sum uint64
}

func (c *counter) Apply(entry *raft.Log) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied++
	c.sum += binary.BigEndian.Uint64(entry.Data)
	return nil
}

func (c *counter) read() (applied, sum uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied, c.sum
}

func (c *counter) Snapshot() (raft.FSMSnapshot, error) {
	applied, sum := c.read()
	return counted{applied, sum}, nil
}

func (c *counter) Restore(r io.ReadCloser) error {
	var values [2]uint64
	if err := binary.Read(r, binary.BigEndian, &values); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied, c.sum = values[0], values[1]
	return nil
}

type counted [2]uint64

func (c counted) Persist(sink raft.SnapshotSink) error {
	if err := binary.Write(sink, binary.BigEndian, c); err != nil {
		return err
	}
	return sink.Close()
}

func (counted) Release() {}

// cluster is three members.
type cluster struct {
	fixture *fixture
	members []*member
	tls     func(*transport.Config)
}

func newCluster(t *testing.T, f *fixture, tls func(*transport.Config)) *cluster {
	t.Helper()
	c := &cluster{fixture: f, tls: tls}
	var servers []raft.Server
	var ends []transport.Endpoint
	for i := range 3 {
		m := &member{
			id: raft.ServerID(fmt.Sprintf("n%d", i+1)), counter: new(counter), log: raft.NewInmemStore(), snapshots: raft.NewInmemSnapshotStore(),
		}
		end := c.listen(t, m, "127.0.0.1:0")
		c.members, ends = append(c.members, m), append(ends, end)
		servers = append(servers, raft.Server{ID: m.id, Address: m.address})
	}
	for i, m := range c.members {
		require.NoError(t, raft.BootstrapCluster(engine(m.id), m.log, m.log, m.snapshots, ends[i], raft.Configuration{Servers: servers}))
		m.start(t, ends[i])
	}
	t.Cleanup(func() {
		for _, m := range c.members {
			m.stop(t)
		}
	})
	return c
}

func engine(id raft.ServerID) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = id
	// Long enough that a busy machine does not depose a leader in the midst of a test.
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 2*time.Second, 2*time.Second, 2*time.Second
	c.CommitTimeout = 5 * time.Millisecond
	c.TrailingLogs, c.SnapshotInterval = 10, time.Hour
	c.Logger = hclog.NewNullLogger()
	return c
}

func (c *cluster) listen(t *testing.T, m *member, address string) transport.Endpoint {
	t.Helper()
	config, _ := c.fixture.config(string(m.id), at(address), c.tls)
	end, err := c.fixture.transport.Open(config)
	require.NoError(t, err)
	m.address = end.LocalAddr()
	return end
}

func (m *member) start(t *testing.T, end transport.Endpoint) {
	t.Helper()
	r, err := raft.NewRaft(engine(m.id), m.counter, m.log, m.log, m.snapshots, end)
	require.NoError(t, err)
	m.raft, m.down = r, false
}

// stop ends the engine, which closes the transport.
func (m *member) stop(t *testing.T) {
	t.Helper()
	if m.down {
		return
	}
	m.down = true
	within(t, 2*soon, "Shutdown", func() { require.NoError(t, m.raft.Shutdown().Error()) })
}

func (c *cluster) restart(t *testing.T, m *member) {
	t.Helper()
	m.counter = new(counter)
	m.start(t, c.listen(t, m, string(m.address)))
}

// leader waits for one that has confirmed that it is.
func (c *cluster) leader(t *testing.T) *member {
	t.Helper()
	var leader *member
	require.Eventually(t, func() bool {
		for _, m := range c.members {
			if !m.down && m.raft.State() == raft.Leader && m.raft.VerifyLeader().Error() == nil {
				leader = m
				return true
			}
		}
		return false
	}, 3*soon, 5*time.Millisecond)
	return leader
}

// commit has the leader commit so many commands, several at a time.
func (c *cluster) commit(t *testing.T, leader *member, commands uint64) {
	t.Helper()
	const clients = 8
	var group sync.WaitGroup
	failed := make(chan error, clients)
	for client := range uint64(clients) {
		group.Go(func() {
			for value := client; value < commands; value += clients {
				if err := leader.raft.Apply(binary.BigEndian.AppendUint64(nil, value), 10*time.Second).Error(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		require.NoError(t, err)
	default:
	}
}

// agree waits until each member that is up has applied the same.
func (c *cluster) agree(t *testing.T, applied, sum uint64) {
	t.Helper()
	for _, m := range c.members {
		if m.down {
			continue
		}
		require.Eventually(t, func() bool {
			a, s := m.counter.read()
			return a == applied && s == sum
		}, 3*soon, 5*time.Millisecond, "%s", m.id)
	}
}

// sum is that of the values of so many commands.
func sum(commands uint64) uint64 { return commands * (commands - 1) / 2 }

func noTLS(*transport.Config) {}

func clusterCommits(t *testing.T, f *fixture) {
	t.Helper()
	c := newCluster(t, f, noTLS)
	c.commit(t, c.leader(t), 1000)
	c.agree(t, 1000, sum(1000))
}

func clusterCommitsTLS(t *testing.T, f *fixture) {
	t.Helper()
	authority := NewAuthority(t, "ours")
	c := newCluster(t, f, with(authority.Config(t)))
	c.commit(t, c.leader(t), 1000)
	c.agree(t, 1000, sum(1000))
}

func clusterSurvives(t *testing.T, f *fixture) {
	t.Helper()
	c := newCluster(t, f, noTLS)
	first := c.leader(t)
	c.commit(t, first, 100)
	first.stop(t)
	second := c.leader(t)
	require.NotSame(t, first, second)
	c.commit(t, second, 100)
	c.restart(t, first)
	c.agree(t, 200, 2*sum(100))

	require.NoError(t, second.raft.LeadershipTransfer().Error())
	third := c.leader(t)
	require.NotSame(t, second, third)
	c.commit(t, third, 100)
	c.agree(t, 300, 3*sum(100))
}

func clusterSnapshot(t *testing.T, f *fixture) {
	t.Helper()
	c := newCluster(t, f, noTLS)
	leader := c.leader(t)
	var late *member
	for _, m := range c.members {
		if m != leader {
			late = m
		}
	}
	late.stop(t)
	c.commit(t, leader, 1000)
	require.NoError(t, leader.raft.Snapshot().Error())
	c.restart(t, late)
	c.agree(t, 1000, sum(1000))
	snapshots, err := late.snapshots.List()
	require.NoError(t, err)
	require.NotEmpty(t, snapshots, "it has got the entries one by one")
}
