package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
)

// newWire returns a connection whose other end never says anything.
func newWire(t *testing.T, w *wires) *wire {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return &wire{Conn: near, wires: w}
}

// readUnder reads as the client does for a command.
func readUnder(ctx context.Context, w *wire) error {
	deadline, _ := ctx.Deadline()
	if err := w.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err := w.Read(make([]byte, 1))
	return err
}

func (w *wires) underWay() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.commands)
}

func TestTheEndOfAContextInterruptsItsOwnConnectionOnly(t *testing.T) {
	t.Parallel()
	w := newWires(nil, time.Hour)
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	mine, other := w.follow(parent), w.follow(t.Context())
	first, second := newWire(t, w), newWire(t, w)

	ended, otherEnded := make(chan error, 1), make(chan error, 1)
	go func() { ended <- readUnder(mine, first) }()
	go func() { otherEnded <- readUnder(other, second) }()
	cancel()
	require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
	mine.release(nil)
	select {
	case err := <-otherEnded:
		t.Fatalf("the other one was interrupted too: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	_ = second.Close()
	require.Error(t, <-otherEnded)
	other.release(nil)
	assert.Zero(t, w.underWay())
}

func TestACommandThatBeginsAfterTheEndOfItsContextIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWires(nil, time.Hour)
	parent, cancel := context.WithCancel(t.Context())
	command := w.follow(parent)
	cancel()
	command.interrupted.Wait()
	require.ErrorIs(t, readUnder(command, newWire(t, w)), os.ErrDeadlineExceeded)
	other := newWire(t, w)
	require.NoError(t, other.SetWriteDeadline(command.deadline))
	_, err := other.Write([]byte("x"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	command.release(err)
}

// A connection that has gone on to another command is not that of the former any more.
func TestAConnectionIsNotInterruptedForItsFormerCommand(t *testing.T) {
	t.Parallel()
	w := newWires(nil, time.Hour)
	parent, cancel := context.WithCancel(t.Context())
	former, next := w.follow(parent), w.follow(t.Context())
	conn := newWire(t, w)
	require.NoError(t, conn.SetWriteDeadline(former.deadline))
	require.NoError(t, conn.SetReadDeadline(former.deadline))
	require.NoError(t, conn.SetWriteDeadline(next.deadline))
	result := make(chan error, 1)
	require.NoError(t, conn.SetReadDeadline(next.deadline))
	go func() { _, err := conn.Read(make([]byte, 1)); result <- err }()
	cancel()
	former.interrupted.Wait()
	former.release(nil)
	select {
	case err := <-result:
		t.Fatalf("interrupted: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	_ = conn.Close()
	require.Error(t, <-result)
	next.release(nil)
}

// What interrupts a command does not outlive it.
func TestACommandWaitsForItsInterruption(t *testing.T) {
	t.Parallel()
	w := newWires(nil, time.Hour)
	parent, cancel := context.WithCancel(t.Context())
	command, conn := w.follow(parent), newWire(t, w)
	require.NoError(t, conn.SetReadDeadline(command.deadline))
	conn.mu.Lock() // has the interruption wait
	cancel()
	released := make(chan struct{})
	go func() { command.release(nil); close(released) }()
	select {
	case <-released:
		t.Error("it is over before its interruption")
	case <-time.After(50 * time.Millisecond):
	}
	conn.mu.Unlock()
	<-released
}

func TestNoTwoCommandsHaveOneDeadline(t *testing.T) {
	t.Parallel()
	w := newWires(nil, time.Hour)
	at := time.Now().Add(time.Minute)
	parent, cancel := context.WithDeadline(t.Context(), at)
	defer cancel()
	seen := map[time.Time]bool{}
	var commands []*followed
	for range 10_000 {
		command := w.follow(parent)
		deadline, ok := command.Deadline()
		require.True(t, ok)
		require.False(t, seen[deadline])
		require.True(t, deadline.After(at), "the context ends first")
		require.Less(t, deadline.Sub(at), 3*time.Millisecond)
		seen[deadline] = true
		commands = append(commands, command)
	}
	for _, command := range commands {
		command.release(nil)
	}
}

func TestACommandEndsAfterTheTimeout(t *testing.T) {
	t.Parallel()
	w := newWires(nil, 20*time.Millisecond)
	command := w.follow(t.Context())
	require.ErrorIs(t, readUnder(command, newWire(t, w)), os.ErrDeadlineExceeded)
	command.release(nil)
}

// Calls that are cancelled at all moments, among others that are not: each gets its own answer, and
// nobody else's interruption.
func TestCancelledCallsDoNotDisturbOthers(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]redisserver.Option{
		"plain": nil, "TLS": {redisserver.WithTLS(redisserver.NewFiles(t))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t, options...)
			s, err := Open(server.URL(url.Values{"pool_size": {"4"}, "timeout": {"1m"}}))
			require.NoError(t, err)
			const keys, calls = 8, 300
			for i := range keys {
				require.NoError(t, s.PutIfMatch(t.Context(), fmt.Sprint(i), fmt.Append(nil, i), ""))
			}
			var all sync.WaitGroup
			for i := range keys {
				all.Go(func() {
					for range calls {
						ctx, cancel := context.WithCancel(t.Context())
						if i%2 == 0 {
							time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
						}
						data, _, err := s.Get(ctx, fmt.Sprint(i))
						switch {
						case err == nil:
							assert.Equal(t, fmt.Sprint(i), string(data))
						case i%2 == 0:
							assert.ErrorIs(t, err, context.Canceled)
						default:
							assert.NoError(t, err)
						}
						cancel()
					}
				})
			}
			all.Wait()
			assert.Zero(t, s.wires.underWay())
			require.NoError(t, s.Close())
			awaitNoClients(t, server)
		})
	}
}

// awaitNoClients demands that nobody is connected but the one who asks.
func awaitNoClients(t *testing.T, server *redisserver.Server) {
	t.Helper()
	client := server.Client(t)
	require.Eventually(t, func() bool {
		clients, err := client.ClientList(t.Context()).Result()
		return err == nil && strings.Count(clients, "\n") == 1
	}, 10*time.Second, 5*time.Millisecond, "connections were left open")
}

// The client library leaves a connection open whose greeting has failed.
func TestConnectionsWithoutAGreetingAreClosed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would close them, at some time
	guarded, plain := redisserver.Start(t, redisserver.WithPassword("secret")), redisserver.Start(t)
	for address, server := range map[string]*redisserver.Server{
		strings.Replace(guarded.URL(nil), "secret", "wrong", 1):                guarded,
		strings.Replace(plain.URL(nil), plain.Address, plain.Address+"/99", 1): plain,
	} {
		s, err := Open(address)
		require.NoError(t, err)
		for range 20 {
			_, _, err := s.Get(t.Context(), "k")
			require.Error(t, err)
		}
		awaitNoClients(t, server)
		require.NoError(t, s.Close())
	}
}

// What a server answers to a command is no reason to connect anew.
func TestAConnectionOutlivesErrorsOfCommands(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s, err := Open(server.URL(nil))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	client := server.Client(t)
	require.NoError(t, client.LPush(t.Context(), "k", "x").Err())
	before := connections(t, client)
	for range 20 {
		_, _, err := s.Get(t.Context(), "k")
		require.ErrorContains(t, err, "WRONGTYPE")
	}
	assert.Equal(t, 1, connections(t, client)-before)
}

// connections is how many there ever were.
func connections(t *testing.T, client *goredis.Client) (n int) {
	t.Helper()
	info, err := client.Info(t.Context(), "stats").Result()
	require.NoError(t, err)
	_, received, _ := strings.Cut(info, "total_connections_received:")
	_, err = fmt.Sscanf(received, "%d", &n)
	require.NoError(t, err)
	return n
}

// An interrupted write is all or nothing, and never another one's.
func TestInterruptedWritesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s, err := Open(redisserver.Start(t).URL(url.Values{"pool_size": {"2"}}))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	etag, err := s.PutIfMatchETag(t.Context(), "k", []byte("0"), "")
	require.NoError(t, err)
	landed := 0
	for i := 1; i <= 300; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(200))*time.Microsecond)
		_, err := s.PutIfMatchETag(ctx, "k", fmt.Append(nil, i), etag)
		cancel()
		data, now, readErr := s.Get(t.Context(), "k")
		require.NoError(t, readErr)
		if err == nil {
			require.Equal(t, fmt.Sprint(i), string(data))
			landed++
		} else {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorIs(t, err, s3lect.ErrStoragePrecondition)
		}
		etag = now
	}
	t.Logf("%d of 300 were confirmed", landed)
}
