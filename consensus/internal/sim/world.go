package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Options are a run.
type Options struct {
	Seed    uint64
	Weather Weather
	Only    []string  // kinds of violations that count; all if empty
	Live    io.Writer // where the story is told as it happens; nil for nowhere
	Forgets Forgetting
	Cluster *Cluster // nil for one that is drawn

	// What clients and the monitor use of a node, for runs that ought to fail. Nil is the right one.
	Read     func(ctx context.Context, node *consensus.Node, query any) (any, error)
	Unknown  func(err error) bool
	IsLeader func(node *consensus.Node) bool
}

// Cluster is what nodes there are, and their settings.
type Cluster struct {
	Voters, NonVoters, Spares int
	Election                  time.Duration
	SnapshotEvery             time.Duration
	Threshold, Trailing       uint64
}

func (o Options) complete() Options {
	if o.Read == nil {
		o.Read = func(ctx context.Context, node *consensus.Node, query any) (any, error) { return node.Read(ctx, query) }
	}
	if o.Unknown == nil {
		o.Unknown = func(err error) bool { return errors.Is(err, consensus.ErrUnknownOutcome) }
	}
	if o.IsLeader == nil {
		o.IsLeader = (*consensus.Node).IsLeader
	}
	return o
}

// Report is what came of a run.
type Report struct {
	Seed       uint64
	Violations []Violation
	Operations []*Operation
	Info       *porcupine.LinearizationInfo // if there is no order that explains the operations
	Terms      int                          // in which somebody led
	Starts     int                          // of nodes
	Restores   int                          // of snapshots
	Recovery   time.Duration                // from the end of the trouble until a write had succeeded
	story      *trace
}

// Failed reports whether something was not as promised.
func (r *Report) Failed() bool { return len(r.Violations) > 0 }

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d violations\n%s", r.Seed, len(r.Violations), r.story.tail(300))
	for _, v := range r.Violations {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

// Save writes story, history and, if the checker has refused it, its picture below a directory.
func (r *Report) Save(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "story.txt"), []byte(r.story.tail(len(r.story.events))), 0o600); err != nil {
		return err
	}
	if err := Write(filepath.Join(dir, "history.json"), r.Operations); err != nil {
		return err
	}
	if r.Info == nil {
		return nil
	}
	return Draw(filepath.Join(dir, "history.html"), *r.Info)
}

// Done counts the operations with an outcome.
func (r *Report) Done(outcome Outcome) (n int) {
	for _, o := range r.Operations {
		if o.Outcome == outcome {
			n++
		}
	}
	return n
}

// world is everything in one run.
type world struct {
	options Options
	began   time.Time
	trace   *trace
	network *network
	ledger  *ledger
	history *history
	monitor *monitor
	members []*member
	clients []*client
	first   []consensus.PeerConfig
	keys    []string
	zombies sync.WaitGroup
	info    *porcupine.LinearizationInfo

	cluster Cluster
	pace    time.Duration // between two operations of a client, at most

	restores atomic.Int64
	calm     atomic.Bool
}

// Run runs one seed, inside a bubble of testing/synctest.
func Run(o Options) *Report {
	w := newWorld(o)
	watch := w.observe()
	w.storm()
	recovery := w.settle()
	watch()
	w.end()
	w.monitor.judgeElections()
	w.monitor.judgeHistory()

	starts := 0
	for _, m := range w.members {
		starts += m.starts
	}
	return &Report{
		Seed: o.Seed, Violations: w.monitor.violations, Operations: w.history.operations, Info: w.info, Terms: len(w.monitor.leaders),
		Starts: starts, Restores: int(w.restores.Load()), Recovery: recovery, story: w.trace,
	}
}

// newWorld builds a cluster and starts it.
func newWorld(o Options) *world {
	w := &world{options: o.complete(), began: time.Now(), history: &history{}}
	w.trace = &trace{start: w.began, live: o.Live}
	w.monitor = newMonitor(w)
	w.ledger = newLedger(w.monitor.violate)
	w.network = newNetwork(w.diceFor("network"), o.Weather, func() { w.monitor.look() })
	w.build()
	return w
}

func (w *world) diceFor(purpose string) *dice { return newDice(w.options.Seed, purpose) }

// weatherNow is for what begins now.
func (w *world) weatherNow() Weather {
	if w.calm.Load() {
		return w.options.Weather.calmed()
	}
	return w.options.Weather
}

func (w *world) count(counter *atomic.Int64) { counter.Add(1) }

// build draws the cluster, its clients and their habits, and starts it.
func (w *world) build() {
	d := w.diceFor("world")
	w.cluster = w.draw(d)
	if w.options.Cluster != nil {
		w.cluster = *w.options.Cluster
	}
	w.pace = pick(d, 30*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond)
	w.keys = []string{"a", "b", "c"}[:1+d.upTo(3)]
	founders := w.cluster.Voters + w.cluster.NonVoters
	for i := range founders + w.cluster.Spares {
		id := fmt.Sprintf("n%d", i+1)
		m := &member{world: w, id: id, disk: newDisk(w.diceFor("disk "+id), w.options.Weather, w.options.Forgets)}
		w.members = append(w.members, m)
		if i < founders {
			peer := m.peer()
			peer.NonVoter = i >= w.cluster.Voters
			w.first = append(w.first, peer)
		}
	}
	for i := range 2 + d.upTo(5) {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.trace.add("world", "%+v, clients=%d keys=%d pace=%v", w.cluster, len(w.clients), len(w.keys), w.pace)
	for _, m := range w.members[:founders] {
		if err := m.start(); err != nil {
			w.monitor.violate("start", "%s: %v", m.id, err)
		}
	}
}

func (w *world) draw(d *dice) Cluster {
	c := Cluster{
		Voters:        pick(d, 3, 3, 5),
		NonVoters:     pick(d, 0, 0, 1, 2),
		Election:      pick(d, 150*time.Millisecond, 300*time.Millisecond, 500*time.Millisecond),
		SnapshotEvery: d.between(300*time.Millisecond, 4*time.Second),
		Threshold:     uint64(5 + d.upTo(60)),
		Trailing:      uint64(1 + d.upTo(20)),
	}
	if w.options.Weather.operator {
		c.Spares = 1 + d.upTo(3)
	}
	if w.options.Weather.pictures {
		c.SnapshotEvery, c.Threshold, c.Trailing = d.between(50*time.Millisecond, 500*time.Millisecond), uint64(1+d.upTo(8)), uint64(1+d.upTo(4))
	}
	return c
}

func (w *world) founders() []consensus.PeerConfig { return w.first }

func (w *world) isFounder(m *member) bool {
	return slices.ContainsFunc(w.first, func(p consensus.PeerConfig) bool { return p.ID == m.id })
}

func (w *world) member(id string) *member {
	for _, m := range w.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// processes are those that run.
func (w *world) processes() (running []*process) {
	for _, m := range w.members {
		if p := m.current.Load(); p != nil {
			running = append(running, p)
		}
	}
	return running
}

// leader is a node that says it leads, or nil.
func (w *world) leader() *process {
	for _, p := range w.processes() {
		if p.node.IsLeader() {
			return p
		}
	}
	return nil
}

// observe looks at all nodes every few milliseconds, until it is told to end.
func (w *world) observe() (end func()) {
	done, observers := make(chan struct{}), sync.WaitGroup{}
	observers.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			w.monitor.look()
			if i%5 == 0 {
				w.monitor.inspect()
			}
		}
	})
	return func() {
		close(done)
		observers.Wait()
	}
}

// storm lets everybody loose for a while, and everything on them.
func (w *world) storm() {
	ctx, end := context.WithTimeout(context.Background(), w.diceFor("storm").between(8*time.Second, 25*time.Second))
	defer end()
	var everybody sync.WaitGroup
	for _, c := range w.clients {
		everybody.Go(func() { c.live(ctx) })
	}
	if len(w.options.Weather.troubles) > 0 {
		for i := range 1 + w.diceFor("nemesis").upTo(2) {
			everybody.Go(func() { w.rage(ctx, w.diceFor(fmt.Sprint("nemesis ", i))) })
		}
	}
	if w.options.Weather.operator {
		everybody.Go(func() { w.operate(ctx, w.diceFor("operator")) })
	}
	if w.options.Weather.handover {
		everybody.Go(func() { w.handOver(ctx, w.diceFor("handover")) })
	}
	everybody.Go(func() { w.photograph(ctx, w.diceFor("photograph"), 6*time.Second) })
	if w.options.Weather.pictures {
		for i := range 3 {
			everybody.Go(func() { w.photograph(ctx, w.diceFor(fmt.Sprint("photograph ", i)), 300*time.Millisecond) })
		}
	}
	everybody.Wait()
	w.calm.Store(true)
	w.network.calm()
	for _, m := range w.members {
		m.disk.calm()
	}
	w.trace.add("world", "the trouble ends")
}

// end stops all nodes.
func (w *world) end() {
	var stopping sync.WaitGroup
	for _, m := range w.members {
		stopping.Go(m.stop)
	}
	stopping.Wait()
	w.zombies.Wait()
	w.network.close()
}
