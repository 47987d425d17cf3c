//go:build unix

package main

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// A leader that was stopped believes in itself when it goes on, until it has looked at the clock. What was asked
// of it meanwhile waits in its sockets and is answered first.
func TestALeaderThatWasFrozenNeitherLeadsNorReadsWhatIsStale(t *testing.T) {
	c := newCluster(t, layout{size: 3, store: inMemory}).run()
	samples := c.sample()
	for round := range 3 {
		old := c.leader()
		term := old.status().Stats.Term
		c.set(old, "color", "green")
		old.signal(syscall.SIGSTOP)
		c.set(c.leader(c.others(old)...), "color", "blue")

		patient := clientOf(t, c.tls, patience, old.url)
		var asked sync.WaitGroup
		for range 8 {
			asked.Go(func() {
				answer, err := answerOf(patient.Read(context.Background(), map[string]string{"get": "color"}))
				if err == nil && answer.Value != "blue" {
					t.Errorf("round %d: the frozen leader reads %q", round, answer.Value)
				}
			})
			asked.Go(func() {
				status, err := patient.Status(context.Background())
				if err == nil && status.IsLeader && status.Stats.Term <= term {
					t.Errorf("round %d: the frozen leader leads in term %d, which is over", round, term)
				}
			})
		}
		// The requests are to be on their way; whether they are is not of importance in every round.
		pause()
		old.signal(syscall.SIGCONT)
		asked.Wait()
		c.catchUp(old)
	}
	samples.judge(t)
}

// set writes at a node, which is the leader unless that changes meanwhile.
func (c *cluster) set(m *member, key, value string) {
	c.t.Helper()
	c.eventually("nothing can be written at "+m.id, func() bool {
		_, err := apply(c.t.Context(), m.client, kv.Set(key, value))
		return err == nil
	})
}

// sample is what a node has said of itself at some time between asked and answered.
type sample struct {
	node            string
	term            uint64
	asked, answered time.Time
}

// samples are those in which a node says that it leads.
type samples struct {
	mu    sync.Mutex
	leads []sample
	count int
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// sample asks every node all the time whether it leads.
func (c *cluster) sample() *samples {
	ctx, stop := context.WithCancel(context.Background())
	s := &samples{stop: stop}
	for _, m := range c.members {
		s.done.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				status, err := m.client.Status(ctx)
				s.add(sample{m.id, status.Stats.Term, asked, time.Now()}, status, err)
			}
		})
	}
	c.t.Cleanup(func() { stop(); s.done.Wait() })
	return s
}

func (s *samples) add(one sample, status admin.Status, err error) {
	if err != nil {
		pause()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if status.IsLeader {
		s.leads = append(s.leads, one)
	}
}

// judge fails the test if a node was seen to lead between two moments at which another one has led in one and the same
// term, which it did in between, too.
func (s *samples) judge(t *testing.T) {
	t.Helper()
	s.stop()
	s.done.Wait()
	type leadership struct {
		node string
		term uint64
	}
	since, until := map[leadership]time.Time{}, map[leadership]time.Time{}
	for _, one := range s.leads {
		l := leadership{one.node, one.term}
		if first, seen := since[l]; !seen || one.answered.Before(first) {
			since[l] = one.answered
		}
		if one.asked.After(until[l]) {
			until[l] = one.asked
		}
	}
	for _, one := range s.leads {
		for l, began := range since {
			if l.node != one.node && one.asked.After(began) && one.answered.Before(until[l]) {
				t.Errorf("%s leads in term %d while %s leads in term %d", one.node, one.term, l.node, l.term)
			}
		}
	}
	require.NotEmpty(t, s.leads)
	t.Logf("asked %d times, %d leaderships seen", s.count, len(since))
}
