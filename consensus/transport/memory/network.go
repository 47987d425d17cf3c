// Package memory connects nodes within one process, for tests and simulations:
//
//	network := memory.NewNetwork()
//	node, err := consensus.New(consensus.WithTransport(network.Transport()), ...)
//	network.Cut("a", "b") // b hears nothing of a any more
//
// Messages are written and read as they are on a real network, so that no node holds memory of another. Everything waits on
// channels and timers made when it is needed, so that a network works within a bubble of testing/synctest, and
// nothing is left once the endpoints are closed.
//
// Faults are between nodes, by their IDs, and in one direction. A message that is lost, because its way is cut when it sets
// out or at any time before it arrives, or by chance, is not reported: whoever waits for the answer does so for
// Config.Timeout, as with a network that has lost it. A call to an address at which nobody is fails at once.
package memory

import (
	"fmt"
	"math/rand"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// Network is what a number of nodes share. All methods are safe for concurrent use.
type Network struct {
	mu     sync.Mutex
	nodes  map[string]*node // by address
	port   int              // that was given out last
	links  map[link]*state
	faults Faults
}

// link is the way from one node to another, by their IDs.
type link struct{ from, to string }

// state is that of a link that has been cut at some time.
type state struct {
	cut  bool
	cuts int // how often
}

// Faults are what happens to messages by chance. The zero value is a network without delay and loss.
type Faults struct {
	// Rand is asked under a lock, once or twice for each message, and must not be used elsewhere meanwhile. Required
	// if anything is left to chance.
	Rand *rand.Rand
	// DelayMin and DelayMax bound the time that a message is on its way, in each direction.
	DelayMin, DelayMax time.Duration
	// Drop is the probability, from 0 to 1, that a message is lost, in each direction.
	Drop float64
}

// NewNetwork returns a network without faults.
func NewNetwork() *Network {
	return &Network{nodes: make(map[string]*node), links: make(map[link]*state)}
}

// Transport returns the transport for nodes on this network. Config.Bind is any host and port, and is what others reach the
// node by, unless Advertise says otherwise; with port 0 a free one is chosen. TLS is ignored.
func (n *Network) Transport() transport.Transport { return opener{n} }

// Cut has everything be lost that is on its way from one node to the other, or sets out, until Heal.
func (n *Network) Cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.links[link{from, to}]
	if s == nil {
		s = new(state)
		n.links[link{from, to}] = s
	}
	s.cut = true
	s.cuts++
}

// Heal undoes Cut for one direction.
func (n *Network) Heal(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.links[link{from, to}]; s != nil {
		s.cut = false
	}
}

// HealAll undoes every Cut.
func (n *Network) HealAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.links {
		s.cut = false
	}
}

// SetFaults sets what happens to messages that set out from now on.
func (n *Network) SetFaults(f Faults) {
	if f.Rand == nil && (f.Drop > 0 || f.DelayMax > f.DelayMin) {
		panic("memory: faults by chance need Faults.Rand")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = f
}

// message is one on its way.
type message struct {
	link    link
	cuts    int
	dropped bool
	arrival time.Time
}

// send decides what becomes of a message that sets out now.
func (n *Network) send(from, to string) message {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := message{link: link{from, to}, arrival: time.Now().Add(n.faults.DelayMin)}
	if s := n.links[m.link]; s != nil {
		m.dropped, m.cuts = s.cut, s.cuts
	}
	if spread := n.faults.DelayMax - n.faults.DelayMin; spread > 0 {
		m.arrival = m.arrival.Add(time.Duration(n.faults.Rand.Int63n(int64(spread) + 1)))
	}
	if n.faults.Drop > 0 && n.faults.Rand.Float64() < n.faults.Drop {
		m.dropped = true
	}
	return m
}

// arrives says whether a message whose time has come is still there.
func (n *Network) arrives(m message) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.links[m.link]; s != nil && (s.cut || s.cuts != m.cuts) {
		return false
	}
	return !m.dropped
}

// isCut says whether nothing gets from one node to the other.
func (n *Network) isCut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.links[link{from, to}]
	return s != nil && s.cut
}

// bind gives a node its address.
func (n *Network) bind(e *node) (string, error) {
	host, port, err := net.SplitHostPort(e.config.Bind)
	if err != nil {
		return "", fmt.Errorf("transport: bind %q: %w", e.config.Bind, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	address := e.config.Bind
	for port == "0" && (address == e.config.Bind || n.nodes[address] != nil) {
		n.port++
		address = net.JoinHostPort(host, strconv.Itoa(n.port))
	}
	if e.config.Advertise != "" {
		address = e.config.Advertise
	}
	if n.nodes[address] != nil {
		return "", fmt.Errorf("transport: bind %s: address already in use", address)
	}
	n.nodes[address] = e
	return address, nil
}

func (n *Network) unbind(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, address)
}

func (n *Network) at(address string) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nodes[address]
}
