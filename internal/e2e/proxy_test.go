//go:build unix

package e2e

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// mode is what a proxy does with what passes through it.
type mode int

const (
	pass  mode = iota
	stall      // connections stay open and nothing moves
	reset      // connections are reset, old and new
	lose       // what comes back ends its connection
)

// proxy stands between one candidate and the storage, or between the other candidates and that one.
type proxy struct {
	reads atomic.Int64 // GET requests of HTTP/1.1 without encryption that came in

	asClient bool // the server sees the address of the client

	upstream *net.TCPAddr
	listener *net.TCPListener
	ended    sync.WaitGroup

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when the mode changes
	conns   map[*net.TCPConn]bool
	closed  bool
}

// asClient has the server see the addresses of the clients in place of the proxy's.
func asClient(p *proxy) { p.asClient = true }

func newProxy(t *testing.T, server string, options ...func(*proxy)) *proxy {
	t.Helper()
	upstream, err := net.ResolveTCPAddr("tcp", server)
	require.NoError(t, err)
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	p := &proxy{upstream: upstream, listener: listener, changed: make(chan struct{}), conns: map[*net.TCPConn]bool{}}
	for _, option := range options {
		option(p)
	}
	p.ended.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) url() string { return "http://" + p.address() }

// set changes the mode, also of the connections that exist.
func (p *proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
	if m == reset {
		p.resetAll()
	}
}

// breakOnce resets the connections that exist, and passes new ones.
func (p *proxy) breakOnce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetAll()
}

func (p *proxy) resetAll() {
	for c := range p.conns {
		abort(c)
	}
}

// abort closes a connection so that the other side sees a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	close(p.changed)
	p.changed = make(chan struct{})
	p.resetAll()
	p.mu.Unlock()
	_ = p.listener.Close()
	p.ended.Wait()
}

func (p *proxy) serve() {
	for {
		c, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		p.ended.Go(func() { p.relay(c) })
	}
}

func (p *proxy) relay(client *net.TCPConn) {
	if !p.add(client) {
		return
	}
	defer p.remove(client)
	server, err := net.DialTCP("tcp", p.from(client), p.upstream)
	if err != nil {
		return
	}
	if !p.add(server) {
		return
	}
	defer p.remove(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, p.count, false) })
	both.Go(func() { p.copy(client, server, func([]byte) {}, true) })
	both.Wait()
}

// from is the address to connect from: any, or that of the client with another port.
func (p *proxy) from(client *net.TCPConn) *net.TCPAddr {
	address, ok := client.RemoteAddr().(*net.TCPAddr)
	if !p.asClient || !ok {
		return nil
	}
	return &net.TCPAddr{IP: address.IP}
}

// copy moves bytes as the mode says, until either side ends; then both do.
func (p *proxy) copy(to, from *net.TCPConn, look func([]byte), back bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		look(buffer[:n])
		if n > 0 && !p.mayPass(back) {
			return
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// count takes note of a request. Its head is written at once, and so arrives.
func (p *proxy) count(arrived []byte) {
	if bytes.HasPrefix(arrived, []byte("GET ")) {
		p.reads.Add(1)
	}
}

// mayPass returns when something may pass, or with false when the connection is over.
func (p *proxy) mayPass(back bool) bool {
	for {
		p.mu.Lock()
		m, changed, closed := p.mode, p.changed, p.closed
		p.mu.Unlock()
		if closed || m != stall {
			return !closed && (m == pass || m == lose && !back)
		}
		<-changed
	}
}

// add takes note of a connection, unless there are to be none.
func (p *proxy) add(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.mode == reset {
		abort(c)
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) remove(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}
