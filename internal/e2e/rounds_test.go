//go:build unix

package e2e

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
)

var roundsOfEachFault = flag.Int("e2e.rounds", 1, "number of rounds that each fault strikes")

// TestAtMostOneIsToldThatItHasWonWhileServersAndStorageFail: three servers share a storage, and a
// dozen clients race for one round after another, by name and anonymously, over HTTP. In the middle
// of each race something breaks. Nobody rests until he was told something, so that all of what the
// fault has left behind comes to light. It runs before the tests of leases: so many writes at a time keep the disk busy for
// longer than those wait for an answer of the storage.
func TestAtMostOneIsToldThatItHasWonWhileServersAndStorageFail(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	binary := buildCommand(t)
	for name, open := range roundsStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // to each other: most of the time is spent on waiting
			c := newContest(t, binary, open(t))
			for i, f := range c.faults() {
				for n := range *roundsOfEachFault {
					c.race(fmt.Sprintf("%02d-%d", i, n), f)
				}
			}
			c.judge()
		})
	}
}

// contest is servers, and clients that race.
type contest struct {
	t       *testing.T
	store   store
	servers []*roundsServer
	clients []*asker
	history roundscheck.History

	mu             sync.Mutex
	begun, ended   chan bool // of the present race: one for each question, and whether it was answered
	total, unknown int
}

func newContest(t *testing.T, binary string, s store) *contest {
	t.Helper()
	c := &contest{t: t, store: s}
	dir := t.TempDir()
	for i := range 3 {
		server := newRoundsServer(t, binary, dir, i, s)
		server.start()
		c.servers = append(c.servers, server)
	}
	for i := range 12 {
		id := fmt.Sprintf("worker-%d", i)
		if i >= 9 {
			id = ""
		}
		c.clients = append(c.clients, newAsker(c, i, id))
	}
	c.clients[0].useLibrary()
	return c
}

// fault is something that breaks.
type fault struct {
	name   string
	strike func() (heal func())
}

func (c *contest) faults() []fault {
	victim := c.servers[0]
	set := func(p *proxy, m mode) func() func() {
		return func() func() {
			p.set(m)
			return func() { p.set(pass) }
		}
	}
	faults := []fault{
		{"nothing", func() func() { return func() {} }},
		{"a server is killed", func() func() {
			victim.kill()
			return victim.start
		}},
		{"a server is stopped and continued", func() func() {
			victim.signal(syscall.SIGSTOP)
			return func() { victim.signal(syscall.SIGCONT) }
		}},
		{"the storage stalls", func() func() { return c.store.stall(c.t) }},
		{"the storage stalls and a server is killed", func() func() {
			release := c.store.stall(c.t)
			victim.kill()
			return func() {
				release()
				victim.start()
			}
		}},
		{"the clients' connections to a server are reset", set(victim.front, reset)},
		{"a server's answers are lost", set(victim.front, lose)},
		{"all connections of the clients break once", func() func() {
			for _, s := range c.servers {
				s.front.breakOnce()
			}
			return func() {}
		}},
	}
	if victim.back == nil {
		return faults
	}
	all := func(m mode) func() func() {
		return func() func() {
			for _, s := range c.servers {
				s.back.set(m)
			}
			return func() {
				for _, s := range c.servers {
					s.back.set(pass)
				}
			}
		}
	}
	return append(faults,
		fault{"a server's connections to the storage stall", set(victim.back, stall)},
		fault{"a server's connections to the storage are reset", set(victim.back, reset)},
		fault{"all connections to the storage are reset", all(reset)},
		fault{"the storage's answers to a server are lost", set(victim.back, lose)},
		fault{"the storage's answers are lost", all(lose)},
	)
}

// race has all clients race for a round, and a fault strike when the first few of them have asked.
// It is healed when as many answers have come as there are clients, and one that was none, or all of
// them are done.
func (c *contest) race(round string, f fault) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	// Far more than there can be questions, so that nobody waits to tell of one.
	begun, ended := make(chan bool, 1<<16), make(chan bool, 1<<16)
	c.mu.Lock()
	c.begun, c.ended = begun, ended
	before := c.unknown
	c.mu.Unlock()

	done := make(chan struct{})
	var racers sync.WaitGroup
	for _, client := range c.clients {
		racers.Go(func() { client.race(ctx, round) })
	}
	go func() {
		racers.Wait()
		close(done)
	}()
	await(begun, done, len(c.clients)/3, 0)
	heal := f.strike()
	await(ended, done, len(c.clients), 1)
	heal()
	<-done
	c.lookBack(ctx, round)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.t.Logf("%s: %s: %v, %d calls of unknown outcome; %v", round, f.name, c.history.Winners()[round], c.unknown-before, time.Since(began).Round(time.Millisecond))
}

// await waits for so many events, and so many questions without an answer, or for the end.
func await(events <-chan bool, done <-chan struct{}, n, unanswered int) {
	for n > 0 || unanswered > 0 {
		select {
		case answered := <-events:
			n--
			if !answered {
				unanswered--
			}
		case <-done:
			return
		}
	}
}

// lookBack has everybody ask everywhere once more. Whoever won by name knows of it by then.
func (c *contest) lookBack(ctx context.Context, round string) {
	c.t.Helper()
	for _, s := range c.servers {
		for _, client := range c.clients {
			client.ask(ctx, s, roundscheck.Elect, round)
		}
	}
	elected := c.clients[0].insist(ctx, roundscheck.Elected, round).Elected
	c.clients[1].insist(ctx, roundscheck.Completed, round)
	if assert.NotNil(c.t, elected, round) && elected.ID != "" {
		assert.Equal(c.t, []string{"ID " + elected.ID}, c.history.Winners()[round], round)
	}
}

func (c *contest) begins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun <- true
}

func (c *contest) ends(answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if !answered {
		c.unknown++
	}
	c.ended <- answered
}

// judge ends the servers and has a look at everything that was told.
func (c *contest) judge() {
	c.t.Helper()
	for _, s := range c.servers {
		s.end()
	}
	require.NoError(c.t, c.history.Check())
	assert.NotZero(c.t, c.unknown, "no fault has had an effect")
	c.t.Logf("%d calls, %d of them of unknown outcome", c.total, c.unknown)
}
