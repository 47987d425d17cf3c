package serve

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/time/rate"
)

// door lets a bounded number of connections in. More wait outside, in the queue of the operating
// system, until one is closed: a server without files to open cannot reach its storage any more.
type door struct {
	net.Listener

	slots   chan struct{}
	closed  chan struct{}
	close   func() error
	metrics *Metrics
	log     *slog.Logger
	notice  *rate.Limiter

	mu        sync.Mutex
	newcomers map[net.Conn]struct{} // that have not asked anything yet; nil when they are dismissed
}

func newDoor(listener net.Listener, size int, metrics *Metrics, log *slog.Logger) *door {
	d := &door{
		Listener: listener, slots: make(chan struct{}, size), closed: make(chan struct{}),
		metrics: metrics, log: log, notice: rate.NewLimiter(rate.Limit(1.0/60), 1),
		newcomers: map[net.Conn]struct{}{},
	}
	d.close = sync.OnceValue(func() error {
		close(d.closed)
		return listener.Close()
	})
	return d
}

// Accept waits for room before it lets the next connection in.
func (d *door) Accept() (net.Conn, error) {
	if len(d.slots) == cap(d.slots) && d.notice.Allow() {
		d.log.LogAttrs(context.Background(), slog.LevelWarn, "as many connections as allowed are open, so others have to wait", slog.Int("max", cap(d.slots)))
	}
	select {
	case d.slots <- struct{}{}:
	case <-d.closed:
		return nil, net.ErrClosed
	}
	conn, err := d.Listener.Accept()
	if err != nil {
		<-d.slots
		return nil, err
	}
	d.metrics.connections.Inc()
	return &guest{conn, sync.OnceFunc(func() {
		d.metrics.connections.Dec()
		<-d.slots
	})}, nil
}

// Close ends waiting for room, too: without that, Shutdown would wait for it without any limit.
func (d *door) Close() error { return d.close() }

// changed is the ConnState hook.
func (d *door) changed(conn net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(d.newcomers, conn)
	case d.newcomers == nil:
		hangUp(conn)
	default:
		d.newcomers[conn] = struct{}{}
	}
}

// dismiss closes the connections of newcomers, for which a shutdown would wait some seconds.
func (d *door) dismiss() {
	d.mu.Lock()
	conns := d.newcomers
	d.newcomers = nil
	d.mu.Unlock()
	for conn := range conns {
		hangUp(conn)
	}
}

// hangUp closes a connection on which there is nothing that could get lost, without the farewell of
// TLS, for which a client can keep one waiting.
func hangUp(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close() // an error would say that it is closed already
}

// guest is a connection that makes room when it is closed.
type guest struct {
	net.Conn

	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
