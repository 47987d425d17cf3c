package arena

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Candidate is one process that stands for election. Its methods are called concurrently.
type Candidate interface {
	// Start begins to contest, and returns at once.
	Start() error
	// Stop releases what the candidate holds, and returns when it has ended. A process that has crashed is
	// stopped, too, with nothing of it being heard any more.
	Stop()
	// Leads tells what the library tells its user at this moment.
	Leads() bool
}

// Node is one process, and the machine it runs on. Safe for concurrent use.
type Node struct {
	arena *Arena
	name  string
	addr  string
	rate  float64 // of its clocks: 1.05 is five per cent fast. Set before anything runs

	clients                      sync.Once
	client, clientWithoutRetries *s3.Client

	mu         sync.Mutex
	candidates []Candidate
	stopping   bool
	stopped    chan struct{}
	held       chan struct{} // closed when the process goes on; nil while it is not frozen
	dead       bool
	died       chan struct{}
	storageCut cut
	peersCut   cut
	offset     time.Duration // of the wall clock
	handler    http.Handler
}

// cut is what becomes of requests on a way.
type cut int

const (
	open     cut = iota
	breaking     // connections break
	hanging      // nothing arrives, and nothing is heard
)

// Name is unique in the arena, and stays the same when the process is restarted.
func (n *Node) Name() string { return n.name }

// Addr is the host and port at which its peers find it.
func (n *Node) Addr() string { return n.addr }

// Run starts a candidate in the process of this node.
func (n *Node) Run(c Candidate) error {
	n.mu.Lock()
	n.candidates = append(n.candidates, c)
	n.mu.Unlock()
	return c.Start()
}

// Stop ends the process gracefully. It returns at once; [Node.AwaitEnd] waits for it.
func (n *Node) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
}

// stop ends all candidates. The lock is held.
func (n *Node) stop() {
	if n.stopping {
		return
	}
	n.stopping = true
	candidates := n.candidates
	go func() {
		defer close(n.stopped)
		var all sync.WaitGroup
		for _, c := range candidates {
			all.Go(c.Stop)
		}
		all.Wait()
	}()
}

// AwaitEnd waits until the process that was stopped or crashed has ended. It panics if that takes an hour: nothing can be
// measured of a candidate whose Stop does not return.
func (n *Node) AwaitEnd() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-n.stopped:
	case <-timer.C:
		panic(n.name + " has been stopped for an hour, and has not ended")
	}
}

// Crash ends the process without a word. What is left of it is cut off from the world.
func (n *Node) Crash() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		return
	}
	n.dead = true
	close(n.died)
	n.stop()
}

// Replace puts another process in the place of this one, which is crashed if it has not ended: on the same machine, with the same name and
// address.
func (n *Node) Replace() *Node {
	n.Crash()
	fresh := &Node{arena: n.arena, name: n.name, addr: n.addr, died: make(chan struct{}), stopped: make(chan struct{}), rate: n.rate, offset: n.Offset()}
	n.arena.mu.Lock()
	defer n.arena.mu.Unlock()
	if i := slices.Index(n.arena.nodes, n); i >= 0 {
		n.arena.nodes[i] = fresh
	}
	n.arena.replaced = append(n.arena.replaced, n)
	return fresh
}

// Freeze holds the process at its border: no request leaves, no answer arrives.
func (n *Node) Freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil && !n.dead {
		n.held = make(chan struct{})
	}
}

// Thaw lets a frozen process go on.
func (n *Node) Thaw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held != nil {
		close(n.held)
		n.held = nil
	}
}

// Leads reports whether the process is told that it leads. One that is dead or stands still is told nothing.
func (n *Node) Leads() bool { return !n.frozen() && n.wouldLead() }

func (n *Node) frozen() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held != nil
}

// wouldLead is what a process is told, or would be if it woke up now.
func (n *Node) wouldLead() bool {
	n.mu.Lock()
	dead, candidates := n.dead, n.candidates
	n.mu.Unlock()
	return !dead && slices.ContainsFunc(candidates, Candidate.Leads)
}

// Alive reports whether the process has not crashed.
func (n *Node) Alive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.dead
}

// cross waits while the process is frozen. It reports false if the process is dead.
func (n *Node) cross() bool {
	for {
		n.mu.Lock()
		held, dead := n.held, n.dead
		n.mu.Unlock()
		switch {
		case dead:
			return false
		case held == nil:
			return true
		}
		select {
		case <-held:
		case <-n.died:
		}
	}
}

func (n *Node) ways() (storage, peers cut) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.storageCut, n.peersCut
}

// CutOff cuts the way to the store, and if peers is set those to the other nodes: connections break, or
// nothing is ever heard.
func (n *Node) CutOff(hangs, peers bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.storageCut = breaking
	if hangs {
		n.storageCut = hanging
	}
	if peers {
		n.peersCut = n.storageCut
	}
}

// Mend ends a cut.
func (n *Node) Mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.storageCut, n.peersCut = open, open
}
