package arena

import (
	"context"
	"net"
	"sync"
)

// Line is one process's way to a real server, over connections that can be broken or held. Its zero value is an open
// line. Safe for concurrent use.
type Line struct {
	mu    sync.Mutex
	conns map[*heldConn]struct{}
	held  chan struct{} // closed when the line is open again; nil while it is
	cut   bool
}

// Dial opens a connection over the line.
func (l *Line) Dial(ctx context.Context, address string) (net.Conn, error) {
	if err := l.pass(ctx.Done()); err != nil {
		return nil, err
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		_ = c.Close() // nothing was sent over it
		return nil, errDead
	}
	held := &heldConn{Conn: c, line: l, closed: make(chan struct{})}
	if l.conns == nil {
		l.conns = map[*heldConn]struct{}{}
	}
	l.conns[held] = struct{}{}
	return held, nil
}

// Hold lets nothing pass any more, in either direction, without breaking a connection.
func (l *Line) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(chan struct{})
	}
}

// Open lets pass again.
func (l *Line) Open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
}

// Cut breaks all connections, for ever, as the death of the process does.
func (l *Line) Cut() {
	l.Open()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		_ = c.Conn.Close() // it is to break
	}
}

// pass waits while the line is held, unless done is closed.
func (l *Line) pass(done <-chan struct{}) error {
	for {
		l.mu.Lock()
		held, cut := l.held, l.cut
		l.mu.Unlock()
		switch {
		case cut:
			return errDead
		case held == nil:
			return nil
		}
		select {
		case <-held:
		case <-done:
			return net.ErrClosed
		}
	}
}

// heldConn is a connection over a line.
type heldConn struct {
	net.Conn
	line   *Line
	once   sync.Once
	closed chan struct{}
}

// Read hands over what has arrived, but not while the line is held.
func (c *heldConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if passed := c.line.pass(c.closed); passed != nil {
		return 0, passed
	}
	return n, err
}

func (c *heldConn) Write(b []byte) (int, error) {
	if err := c.line.pass(c.closed); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *heldConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.line.mu.Lock()
		defer c.line.mu.Unlock()
		delete(c.line.conns, c)
	})
	return c.Conn.Close()
}
