package sim

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// port is every node's.
const port = 7000

// member is a place for a node: its name, its disk, and the process that runs there, if one does.
type member struct {
	world   *world
	id      string
	disk    *disk
	starts  int
	claimed atomic.Bool // somebody starts, stops or crashes it
	current atomic.Pointer[process]
}

// process is a node between its start and its end or its crash.
type process struct {
	world    *world
	member   *member
	number   int
	node     *consensus.Node
	witness  *witness
	disk     *session
	endpoint atomic.Pointer[endpoint]

	dead     atomic.Bool // crashed: nobody sees what it does
	stopping atomic.Bool // told to stop
	excused  atomic.Bool // may end by itself: its disk was bad, or it was removed
	ended    chan struct{}
	watching sync.WaitGroup
	seen     sane
}

func (p *process) name() string   { return fmt.Sprintf("%s.%d", p.member.id, p.number) }
func (p *process) isDead() bool   { return p.dead.Load() }
func (m *member) address() string { return fmt.Sprintf("%s:%d", m.id, port) }
func (m *member) running() bool   { return m.current.Load() != nil }
func (m *member) claim() bool     { return !m.claimed.Swap(true) }
func (m *member) free()           { m.claimed.Store(false) }

func (m *member) peer() consensus.PeerConfig {
	return consensus.PeerConfig{ID: m.id, Address: m.id, Port: port}
}

// start runs a process on what is on the disk. It may fail while the disk is bad.
func (m *member) start() error {
	w := m.world
	m.starts++
	p := &process{world: w, member: m, number: m.starts, disk: m.disk.open(), ended: make(chan struct{})}
	election := m.election()
	p.witness = newWitness(p, w.ledger, w.diceFor("machine "+p.name()), w.weatherNow())
	options := []consensus.Option{
		consensus.WithNodeID(m.id), consensus.WithClusterID("simulated"), consensus.WithBindAddress(m.id, port),
		consensus.WithAPIAddress("http://" + m.id), consensus.WithStateMachine(p.witness), consensus.WithStorage(p.disk),
		consensus.WithTransport(p), consensus.WithLogger(w.trace.logger(p.name(), func(message string, attributes map[string]string) { w.monitor.heard(p, message, attributes) })),
		consensus.WithElectionTimeoutMin(election), consensus.WithElectionTimeoutMax(2 * election),
		consensus.WithSnapshotInterval(w.cluster.SnapshotEvery), consensus.WithSnapshotThreshold(w.cluster.Threshold), consensus.WithTrailingLogs(w.cluster.Trailing),
		consensus.WithOnRoleChange(func(from, to consensus.Role) { w.monitor.role(p, from, to) }),
		consensus.WithOnLeaderChange(func(leader string, term uint64) { w.monitor.leaderChange(p, leader, term) }),
		consensus.WithOnMembershipChange(func(nodes []consensus.NodeInfo) { w.monitor.membership(p, nodes) }),
	}
	if peers := w.founders(); w.isFounder(m) {
		options = append(options, consensus.WithPeers(peers))
	} else {
		options = append(options, consensus.WithJoin())
	}
	node, err := consensus.New(options...)
	if err != nil {
		_ = p.disk.Close()
		return fmt.Errorf("make node %s: %w", m.id, err)
	}
	p.node = node
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := node.Start(ctx); err != nil {
		w.trace.add(p.name(), "does not start: %v", err)
		p.bury()
		return err
	}
	w.trace.add(p.name(), "starts, election time-out %v", election)
	m.current.Store(p)
	w.monitor.note(p)
	p.watching.Go(p.watch)
	return nil
}

// election is the least election time-out of the next process.
func (m *member) election() time.Duration {
	w := m.world
	if !w.options.Weather.uneven {
		return w.cluster.Election
	}
	d := w.diceFor(fmt.Sprintf("election %s.%d", m.id, m.starts))
	return time.Duration(pick(d, 1, 1, 2, 4)) * w.cluster.Election
}

// watch waits for the node to end.
func (p *process) watch() {
	<-p.node.Done()
	err := p.node.Err()
	if !p.isDead() {
		p.bury()
	}
	p.member.current.CompareAndSwap(p, nil)
	close(p.ended)
	if p.isDead() || p.stopping.Load() {
		return
	}
	p.world.trace.add(p.name(), "has ended by itself: %v", err)
	if !p.excused.Load() {
		p.world.monitor.violate("died", "%s has ended by itself: %v", p.name(), err)
	}
}

// Open implements transport.Transport.
func (p *process) Open(c transport.Config) (transport.Endpoint, error) {
	e, err := p.world.network.open(c)
	if err != nil {
		return nil, err
	}
	p.endpoint.Store(e)
	return e, nil
}

// bury frees what an ended process still has.
func (p *process) bury() {
	_ = p.disk.Close()
	p.cutOff()
}

// cutOff takes the process its end of the network.
func (p *process) cutOff() {
	if e := p.endpoint.Load(); e != nil {
		_ = e.Close()
	}
}

// crash ends the process from one moment to the next.
func (m *member) crash() {
	p := m.current.Swap(nil)
	if p == nil {
		return
	}
	m.world.trace.add(p.name(), "crashes")
	p.dead.Store(true)
	p.cutOff()
	p.disk.crash()
	m.world.zombies.Go(func() { p.end("a crashed node") })
}

// stop ends the process in order.
func (m *member) stop() {
	p := m.current.Load()
	if p == nil || p.stopping.Swap(true) {
		return
	}
	m.world.trace.add(p.name(), "is stopped")
	p.end("a node that was told to stop")
}

// stopLimit is how long a node may take to stop, whatever goes wrong.
const stopLimit = 30 * time.Second

// end stops the node and waits for its goroutines.
func (p *process) end(what string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := p.node.Stop(ctx)
	if p.isDead() {
		err = nil
	}
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.world.monitor.violate("stop", "%s, %s, has not ended %v after Stop (%v)", what, p.name(), stopLimit, err)
	}
	p.watching.Wait()
	p.world.trace.add(p.name(), "has stopped: %v", err)
}
