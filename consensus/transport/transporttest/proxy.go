package transporttest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// openBehindProxy opens a and b, of which b advertises an address from which a proxy leads to it. It agrees to everything,
// unless another way to prepare it is given.
func (f *fixture) openBehindProxy(t *testing.T, prepare ...func(*node) *node) (a, b *node, p *proxy) {
	t.Helper()
	a = f.open(t, "a")
	b = f.open(t, "b", func(c *transport.Config) { c.Advertise = "127.0.0.2:0" }) // the port is that on 127.0.0.1
	_, port, err := net.SplitHostPort(string(b.LocalAddr()))
	require.NoError(t, err)
	p = newProxy(t, string(b.LocalAddr()), net.JoinHostPort("127.0.0.1", port))
	if len(prepare) == 0 {
		prepare = append(prepare, func(n *node) *node { return n.answer(agree) })
	}
	return a, prepare[0](b), p
}

// proxy leads from an address to another. While it is frozen it takes connections and hands nothing on; what is sent
// piles up in the kernel, as with a process that has been stopped.
type proxy struct {
	listener net.Listener
	target   string
	group    sync.WaitGroup
	done     chan struct{}

	mu    sync.Mutex
	gate  chan struct{} // closed while it is not frozen
	conns []net.Conn
}

func newProxy(t *testing.T, address, target string) *proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	require.NoError(t, err)
	p := &proxy{listener: listener, target: target, done: make(chan struct{}), gate: make(chan struct{})}
	close(p.gate)
	p.group.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	close(p.done)
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.group.Wait()
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.group.Go(func() { p.serve(in) })
	}
}

// open waits while the proxy is frozen and says whether it is still there then.
func (p *proxy) open() bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return true
	case <-p.done:
		return false
	}
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		_ = c.Close()
		return false
	default:
		p.conns = append(p.conns, c)
		return true
	}
}

func (p *proxy) serve(in net.Conn) {
	if !p.keep(in) || !p.open() {
		return
	}
	out, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
	if err != nil || !p.keep(out) {
		_ = in.Close()
		return
	}
	p.group.Go(func() { p.copy(out, in) })
	p.copy(in, out)
}

func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil || !p.open() {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
