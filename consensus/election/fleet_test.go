package election

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/memory"
)

const testTimeout = 300 * time.Millisecond

// fleet is a number of nodes on a network in memory. Use it in a bubble of synctest.
type fleet struct {
	t       *testing.T
	network *memory.Network
	nodes   []Node
	runs    map[string]*member
	journal *journal
	adjust  func(*Config)
}

// member is a node that runs.
type member struct {
	*Election
	ended chan error
}

// journal is what all callbacks have been told, in the order in which they were called.
type journal struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	node, callback string
	Transition
	context context.Context
}

func (j *journal) add(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

func (j *journal) of(node string) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.entries), func(e entry) bool { return node != "" && e.node != node })
}

func (j *journal) names(node string) []string {
	var names []string
	for _, e := range j.of(node) {
		names = append(names, e.callback)
	}
	return names
}

// newFleet has voters a, b, c ... and watchers w1, w2 ... that do not vote.
func newFleet(t *testing.T, voters, watchers int) *fleet {
	t.Helper()
	f := &fleet{t: t, network: memory.NewNetwork(), runs: map[string]*member{}, journal: &journal{}}
	for i := range voters {
		id := string(rune('a' + i))
		f.nodes = append(f.nodes, Node{ID: id, Address: id + ".test:7000"})
	}
	for i := range watchers {
		id := fmt.Sprintf("w%d", i+1)
		f.nodes = append(f.nodes, Node{ID: id, Address: id + ".test:7000", NoVote: true})
	}
	return f
}

// config of a node that notes its callbacks and keeps its votes in a file.
func (f *fleet) config(id string) Config {
	c := Config{
		Node:            Node{ID: id},
		Peers:           f.nodes,
		ElectionTimeout: testTimeout,
		VotesFile:       filepath.Join(f.t.TempDir(), id),
		Transport:       f.network.Transport(),
		Logger:          slog.New(slog.DiscardHandler),
	}
	if testing.Verbose() {
		c.Logger = slog.New(slog.NewTextHandler(f.t.Output(), nil))
	}
	note := func(callback string) Callback {
		return func(ctx context.Context, t Transition) error {
			f.journal.add(entry{node: id, callback: callback, Transition: t, context: ctx})
			return nil
		}
	}
	c.EnterLeader, c.LeaveLeader = note("EnterLeader"), note("LeaveLeader")
	c.EnterFollower, c.LeaveFollower = note("EnterFollower"), note("LeaveFollower")
	c.EnterCandidate, c.LeaveCandidate = note("EnterCandidate"), note("LeaveCandidate")
	if f.adjust != nil {
		f.adjust(&c)
	}
	return c
}

// start runs all nodes.
func (f *fleet) start() {
	f.t.Helper()
	for _, node := range f.nodes {
		f.run(f.config(node.ID))
	}
}

// run runs one node.
func (f *fleet) run(c Config) *member {
	f.t.Helper()
	e, err := New(c)
	require.NoError(f.t, err)
	m := &member{Election: e, ended: make(chan error, 1)}
	f.runs[c.Node.ID] = m
	go func() { m.ended <- m.Run(f.t.Context()) }()
	synctest.Wait()
	return m
}

// stop ends nodes, all of them if none is named.
func (f *fleet) stop(ids ...string) {
	f.t.Helper()
	if len(ids) == 0 {
		for id := range f.runs {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		assert.NoError(f.t, f.runs[id].Stop(f.t.Context()))
		m := f.runs[id]
		delete(f.runs, id)
		require.NoError(f.t, <-m.ended, "Run of node %s", id)
	}
	f.checkTerms()
}

// checkTerms demands that no term was led by two nodes, and that each node's callbacks came in pairs.
func (f *fleet) checkTerms() {
	f.t.Helper()
	led := map[uint64]string{}
	open := map[string]string{}
	for _, e := range f.journal.of("") {
		if e.callback == "EnterLeader" {
			if other, found := led[e.Term]; found {
				require.Equal(f.t, other, e.node, "term %d was led twice", e.Term)
			}
			led[e.Term] = e.node
		}
		what, state := e.callback[:5], e.callback[5:]
		if what == "Enter" {
			require.Empty(f.t, open[e.node], "%s of node %s comes before the state before was left", e.callback, e.node)
			open[e.node] = state
		} else {
			require.Equal(f.t, state, open[e.node], "%s of node %s", e.callback, e.node)
			open[e.node] = ""
		}
	}
}

// leaders are the nodes that say they lead.
func (f *fleet) leaders() []string {
	var ids []string
	for id, m := range f.runs {
		if m.IsLeader() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// oneLeader waits until one node leads, and everybody that can hear it knows. It checks all the while that there are never two.
func (f *fleet) oneLeader(within time.Duration, among ...string) string {
	f.t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); f.pass(time.Millisecond) {
		if leaders := f.leaders(); len(leaders) == 1 && (len(among) == 0 || slices.Contains(among, leaders[0])) {
			return leaders[0]
		}
	}
	require.FailNow(f.t, "nobody leads", "of %v", among)
	return ""
}

// quiet lets time pass in which the same node leads all the while.
func (f *fleet) quiet(d time.Duration, leader string) {
	f.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); f.pass(time.Millisecond) {
		require.Equal(f.t, []string{leader}, f.leaders())
	}
}

// pass lets fake time pass.
func (f *fleet) pass(d time.Duration) {
	f.t.Helper()
	time.Sleep(d) // in a bubble: once everybody else waits
	synctest.Wait()
	require.LessOrEqual(f.t, len(f.leaders()), 1, "two nodes lead at once")
}

// isolate cuts a node off from all others, in both directions.
func (f *fleet) isolate(id string) {
	for _, node := range f.nodes {
		if node.ID != id {
			f.network.Cut(id, node.ID)
			f.network.Cut(node.ID, id)
		}
	}
}

// others are the IDs of all voters but one.
func (f *fleet) others(id string) []string {
	var ids []string
	for _, node := range f.nodes {
		if node.ID != id && !node.NoVote {
			ids = append(ids, node.ID)
		}
	}
	return ids
}
