package arena

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Options of an arena.
type Options struct {
	Seed    uint64
	Latency [2]time.Duration // of a request to the store, there and back; evenly distributed
	// Delay, if not nil, draws that latency instead.
	Delay func(random *rand.Rand, write bool) time.Duration
	// Peers is the latency of a question from node to node, there and back.
	Peers [2]time.Duration
	// Launch makes the candidate of a process that begins on the node. It is called for one after the other.
	Launch func(*Node) (Candidate, error)
	// Server is the S3 server at Endpoint, if it is a real one; nil for a bucket in memory.
	Server   http.RoundTripper
	Endpoint string
	// Seen, if not nil, is told of each request to the store and how long it took, from the sender's side.
	Seen func(write bool, took time.Duration, refused bool)
}

// Arena is one run: its nodes, its store, and the weather between them. Close it, so that nothing is
// left of it. Safe for concurrent use.
type Arena struct {
	options Options
	began   time.Time
	bucket  *bucket
	redis   *keyspace
	over    chan struct{}
	under   sync.WaitGroup // requests under way

	launching sync.Mutex

	mu       sync.Mutex
	random   *rand.Rand
	weather  weather
	nodes    []*Node
	replaced []*Node
	counts   Counts
	referee  *Referee
}

// Counts are requests that have left a node.
type Counts struct{ Reads, Writes, Refused int }

// Minus returns what was counted since an earlier reading.
func (c Counts) Minus(before Counts) Counts {
	return Counts{c.Reads - before.Reads, c.Writes - before.Writes, c.Refused - before.Refused}
}

// New returns an arena without nodes.
func New(o Options) *Arena {
	if o.Latency == [2]time.Duration{} {
		o.Latency = [2]time.Duration{20 * time.Millisecond, 60 * time.Millisecond}
	}
	if o.Peers == [2]time.Duration{} {
		o.Peers = [2]time.Duration{500 * time.Microsecond, 5 * time.Millisecond}
	}
	return &Arena{
		options: o, began: time.Now(), bucket: newBucket(), redis: newKeyspace(), over: make(chan struct{}),
		random: rand.New(rand.NewPCG(o.Seed, 1)), //nolint:gosec // reproducible, not secret
	}
}

// Add adds a node, which is a machine on which nothing runs yet.
func (a *Arena) Add() *Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := len(a.nodes)
	n := &Node{
		arena: a, name: fmt.Sprintf("node-%d", i), addr: fmt.Sprintf("10.0.%d.%d:8443", i/250, i%250+1),
		died: make(chan struct{}), stopped: make(chan struct{}), rate: 1,
	}
	a.nodes = append(a.nodes, n)
	return n
}

// Launch begins a process on the node.
func (a *Arena) Launch(n *Node) error {
	a.launching.Lock()
	c, err := a.options.Launch(n)
	a.launching.Unlock()
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	if err := n.Run(c); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	return nil
}

// Leaders returns the nodes whose processes are told that they lead.
func (a *Arena) Leaders() []*Node {
	var out []*Node
	for _, n := range a.Nodes() {
		if n.Leads() {
			out = append(out, n)
		}
	}
	return out
}

// Nodes returns all nodes, those that have been replaced excepted.
func (a *Arena) Nodes() []*Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*Node(nil), a.nodes...)
}

// Counts returns the requests of all nodes so far.
func (a *Arena) Counts() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts
}

// Close ends all processes, and waits until nothing is under way any more.
func (a *Arena) Close() {
	a.calm()
	close(a.over)
	everybody := append(a.Nodes(), a.replaced...)
	for _, n := range everybody {
		n.Thaw()
		n.Crash()
	}
	for _, n := range everybody {
		n.AwaitEnd()
	}
	a.under.Wait()
}

// Dice returns a stream of random numbers that depends on the seed and the purpose alone. It is not safe
// for concurrent use.
func (a *Arena) Dice(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(a.options.Seed, purpose)) //nolint:gosec // reproducible, not secret
}

// between draws a duration.
func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

// sleep waits for d, or until the arena is closed.
func (a *Arena) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.over:
	}
}
