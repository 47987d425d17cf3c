package endpoint

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// Limits of a Gate, in case none are configured.
const (
	DefaultMaxConnections = 1024
	DefaultMaxHandshakes  = 64
)

// Gate bounds the connections that come in.
type Gate struct {
	maxConnections, maxHandshakes int

	mu         sync.Mutex
	closed     bool
	conns      map[net.Conn]struct{}
	handshakes []net.Conn // of conns those that have not said yet who they are, oldest first
}

// NewGate returns a Gate; limits of zero stand for the defaults.
func NewGate(maxConnections, maxHandshakes int) *Gate {
	if maxConnections <= 0 {
		maxConnections = DefaultMaxConnections
	}
	if maxHandshakes <= 0 {
		maxHandshakes = DefaultMaxHandshakes
	}
	return &Gate{maxConnections: maxConnections, maxHandshakes: maxHandshakes, conns: make(map[net.Conn]struct{})}
}

// Enter lets a connection in, or closes it and says why. If too many have not said who they are, the oldest of them has to
// go: a member takes a moment for it, so that those who are left behind are strangers.
func (g *Gate) Enter(c net.Conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		_ = c.Close()
		return ErrClosed
	case len(g.conns) >= g.maxConnections:
		_ = c.Close()
		return fmt.Errorf("%d connections are open, which is the limit (MaxConnections)", len(g.conns))
	}
	if len(g.handshakes) >= g.maxHandshakes {
		_ = g.handshakes[0].Close()
		g.handshakes = g.handshakes[1:]
	}
	g.handshakes = append(g.handshakes, c)
	g.conns[c] = struct{}{}
	return nil
}

// Known says that a connection has said who it is.
func (g *Gate) Known(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known(c)
}

func (g *Gate) known(c net.Conn) {
	if i := slices.Index(g.handshakes, c); i >= 0 {
		g.handshakes = slices.Delete(g.handshakes, i, i+1)
	}
}

// Leave says that a connection has been closed.
func (g *Gate) Leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	g.known(c)
}

// Close closes all connections, and those that come later.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
}
