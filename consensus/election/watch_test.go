package election

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gate is a log that takes nothing while it is shut.
type gate struct {
	slog.Handler
	wait func(slog.Record)
}

func (g gate) Enabled(context.Context, slog.Level) bool { return true }
func (g gate) Handle(_ context.Context, r slog.Record) error {
	g.wait(r)
	return nil
}
func (g gate) WithAttrs([]slog.Attr) slog.Handler { return g }
func (g gate) WithGroup(string) slog.Handler      { return g }

func TestLeadershipThatIsLostAndWonAgainUnseenIsToldAsTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, 0)
		shut, open := true, make(chan struct{})
		f.adjust = func(c *Config) {
			if c.Node.ID != "a" {
				return
			}
			c.Logger = slog.New(gate{Handler: slog.DiscardHandler, wait: func(r slog.Record) {
				toLeader := false
				r.Attrs(func(a slog.Attr) bool {
					toLeader = toLeader || a.Key == "to" && a.Value.Any() == StateLeader
					return true
				})
				if r.Message == "state changed" && toLeader && shut {
					<-open
				}
			}})
		}
		f.start()
		defer f.stop()
		// lead makes a node the only one that can be elected.
		lead := func(id string) {
			for f.oneLeader(20*testTimeout) != id {
				leader := f.leaders()[0]
				f.isolate(leader)
				f.pass(2 * testTimeout)
				f.oneLeader(20*testTimeout, f.others(leader)...)
				f.network.HealAll()
				f.pass(testTimeout)
			}
		}
		lead("a")
		first := f.runs["a"].running.Load().raft.CurrentTerm()
		f.isolate("a")
		f.oneLeader(20*testTimeout, "b", "c")
		f.network.HealAll()
		f.pass(testTimeout)
		lead("a")
		shut = false
		close(open)
		f.pass(testTimeout)
		var told []uint64
		for _, e := range f.journal.of("a") {
			if e.callback == "EnterLeader" && e.context.Err() == nil {
				told = append(told, e.Term)
			}
		}
		now := f.runs["a"].running.Load().raft.CurrentTerm()
		require.Greater(t, now, first)
		assert.Equal(t, []uint64{now}, told)
	})
}
