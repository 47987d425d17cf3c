// Package cut lets tests cut the connections to a server.
package cut

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wire hands TCP connections on to a server, until it is cut.
type Wire struct {
	address string // of the server

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	work  sync.WaitGroup
}

// New returns a wire to the server at address, and the address of its own end. It is taken down when the test ends.
func New(t *testing.T, address string) (wire *Wire, end string) {
	t.Helper()
	w := &Wire{address: address, conns: map[net.Conn]bool{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // listening takes no time
	require.NoError(t, err)
	w.work.Add(1)
	go w.accept(listener)
	t.Cleanup(func() {
		_ = listener.Close()
		w.Cut()
		w.work.Wait()
	})
	return w, listener.Addr().String()
}

// Cut ends all connections, and each new one as soon as it is there.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for conn := range w.conns {
		_ = conn.Close()
	}
}

// Mend lets new connections through.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func (w *Wire) accept(listener net.Listener) {
	defer w.work.Done()
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		w.work.Add(1)
		go w.connect(near)
	}
}

func (w *Wire) connect(near net.Conn) {
	defer w.work.Done()
	defer near.Close()
	far, err := net.Dial("tcp", w.address) //nolint:noctx // to this machine
	if err != nil {
		return
	}
	defer far.Close()
	if !w.add(near, far) {
		return
	}
	defer w.remove(near, far)
	w.work.Add(1)
	go func() {
		defer w.work.Done()
		defer near.Close()
		_, _ = io.Copy(near, far)
	}()
	_, _ = io.Copy(far, near)
}

func (w *Wire) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false
	}
	for _, conn := range conns {
		w.conns[conn] = true
	}
	return true
}

func (w *Wire) remove(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range conns {
		delete(w.conns, conn)
	}
}
