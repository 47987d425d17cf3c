package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// wires are the connections of a client. They let a command end with its context while it waits for
// an answer: the client heeds the deadline of a context, but not its cancellation.
//
// A goroutine for each command, which can be left behind, would do that too, and cost more than the
// command. Instead each command has a deadline that no other has, by some nanoseconds. The client
// sets it on the connection that it takes for the command, and so tells which one that is. When the
// context ends, that connection's deadline is moved into the past; the client takes the error for one
// of the network and drops the connection.
type wires struct {
	tls     *tls.Config // nil without TLS
	timeout time.Duration

	mu       sync.Mutex
	count    int64
	commands map[int64]*followed // under way, by their deadlines
}

func newWires(config *tls.Config, timeout time.Duration) *wires {
	return &wires{tls: config, timeout: timeout, commands: map[int64]*followed{}}
}

// dial is the client's way to connect.
func (w *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: w.timeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	if w.tls == nil {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return plainWire{&wire{Conn: conn, wires: w}}, nil
	}
	conn, err := (&tls.Dialer{NetDialer: dialer, Config: w.tls}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, wires: w}, nil
}

// follow returns the context for a command, which ends it when the parent ends or the time-out is
// over. The command's end has to be told by its method release.
func (w *wires) follow(parent context.Context) *followed {
	at := time.Now().Add(w.timeout)
	if own, ok := parent.Deadline(); ok && own.Before(at) {
		at = own
	}
	f := &followed{Context: parent, wires: w}
	f.interrupted.Add(1)
	w.mu.Lock()
	w.count++
	// A moment later than the parent's, so that it is the parent that ends first.
	f.deadline = at.Truncate(time.Millisecond).Add(time.Millisecond + time.Duration(w.count%int64(time.Millisecond)))
	w.commands[f.deadline.UnixNano()] = f
	w.mu.Unlock()
	f.stop = context.AfterFunc(parent, f.interrupt)
	return f
}

// takes returns the command with a deadline, or nil if that is nobody's.
func (w *wires) takes(deadline time.Time) *followed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commands[deadline.UnixNano()]
}

// followed is the context of one command.
type followed struct {
	context.Context
	wires       *wires
	deadline    time.Time
	stop        func() bool
	interrupted sync.WaitGroup // done when interrupt has run

	mu    sync.Mutex
	ended bool  // the parent has
	wire  *wire // the last one that the client took; nil as long as there is none
}

// Deadline tells the client the command's own deadline.
func (f *followed) Deadline() (time.Time, bool) { return f.deadline, true }

// Value makes the command known to connected, however the client wraps it.
func (f *followed) Value(key any) any {
	if key == (followedKey{}) {
		return f
	}
	return f.Context.Value(key)
}

type followedKey struct{}

// interrupt ends the command, also if it has not got to its connection yet.
func (f *followed) interrupt() {
	defer f.interrupted.Done()
	f.mu.Lock()
	f.ended = true
	current := f.wire
	f.mu.Unlock()
	if current != nil {
		current.interrupt(f.deadline)
	}
}

// uses notes the connection that the client takes, and reports whether it is too late for that.
func (f *followed) uses(w *wire) (ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wire = w
	return f.ended
}

// release ends the following. The client forgets to close a connection whose greeting has failed,
// which is done here.
func (f *followed) release(err error) {
	if !f.stop() {
		f.interrupted.Wait()
	}
	f.wires.mu.Lock()
	delete(f.wires.commands, f.deadline.UnixNano())
	f.wires.mu.Unlock()
	if err != nil && f.wire != nil && !f.wire.isReady() {
		_ = f.wire.Close()
	}
}

// connected is called by the client for each connection that has passed its greeting.
func connected(ctx context.Context, _ *goredis.Conn) error {
	if f, ok := ctx.Value(followedKey{}).(*followed); ok && f.wire != nil {
		f.wire.setReady()
	}
	return nil
}

// longAgo is a deadline that ends whatever goes on.
var longAgo = time.Unix(1, 0)

// wire is a connection that knows its deadline.
type wire struct {
	net.Conn
	wires *wires

	mu       sync.Mutex
	deadline time.Time // given last
	ready    bool      // has passed the client's greeting
}

// SetReadDeadline is what a command does before it waits for its answer.
func (w *wire) SetReadDeadline(t time.Time) error {
	return w.setDeadline(t, w.Conn.SetReadDeadline)
}

// SetWriteDeadline is what a command does before it is sent.
func (w *wire) SetWriteDeadline(t time.Time) error {
	return w.setDeadline(t, w.Conn.SetWriteDeadline)
}

func (w *wire) setDeadline(t time.Time, set func(time.Time) error) error {
	command := w.wires.takes(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.deadline.IsZero() && !w.deadline.Equal(t) {
		w.ready = true // for another command, before
	}
	w.deadline = t
	if command != nil && command.uses(w) {
		t = longAgo
	}
	return set(t)
}

// interrupt ends what goes on with the given deadline, and nothing else.
func (w *wire) interrupt(deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline.Equal(deadline) {
		_ = w.SetDeadline(longAgo) // else the connection is closed, and so all has ended
	}
}

func (w *wire) isReady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

func (w *wire) setReady() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = true
}

// Read closes the connection after an error, since the client does not always.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		_ = w.Close()
	}
	return n, err
}

// Write closes the connection after an error, as Read does.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		_ = w.Close()
	}
	return n, err
}

// plainWire is one without TLS. The client looks whether such a connection still stands before it
// uses it again.
type plainWire struct{ *wire }

// SyscallConn is for that.
func (w plainWire) SyscallConn() (syscall.RawConn, error) {
	conn, ok := w.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return conn.SyscallConn()
}
