//go:build unix

package main

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/pgserver"
)

var (
	kills  = flag.Int("raftd.kills", 3, "how often nodes are killed in each of the tests of crashes")
	writes = flag.Int64("raftd.writes", 60, "how many writes are confirmed before each kill, at least; a snapshot needs 30")
)

// inEveryStore runs a test on each of the storages that survive the end of a process, with the program as it is delivered: the
// race detector would be slow, and has its turn where fewer nodes are killed.
func inEveryStore(t *testing.T, test func(t *testing.T, l layout)) {
	t.Helper()
	t.Parallel()
	program := builtByMake(t)
	for _, kind := range engines {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, layout{size: 3, program: program, store: inDirectories(kind)})
		})
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := pgserver.Start(t)
		test(t, layout{size: 3, program: program, store: func(*testing.T, string) []string { return []string{"--store", server.URL()} }})
	})
}

func TestNothingConfirmedIsLostWhenEveryNodeIsKilledAtOnce(t *testing.T) {
	inEveryStore(t, func(t *testing.T, l layout) {
		t.Helper()
		c := newCluster(t, l).run()
		load := c.put()
		for range *kills {
			c.more(load, *writes)
			c.killAll()
			c.start(c.members...)
			c.leader()
		}
		c.more(load, *writes)
		c.judge(load)
	})
}

func TestNothingConfirmedIsLostWhenTheLeaderIsKilled(t *testing.T) {
	inEveryStore(t, func(t *testing.T, l layout) {
		t.Helper()
		c := newCluster(t, l).run()
		load := c.put()
		for range *kills {
			c.more(load, *writes)
			old := c.leader()
			old.kill()
			c.leader(c.others(old)...)
			c.more(load, *writes)
			c.start(old)
			c.catchUp(old)
		}
		c.judge(load)
	})
}

// Each node is killed once. With so few entries between snapshots, nodes that come back are sent one, and restart from their own.
func TestNothingConfirmedIsLostBehindSnapshots(t *testing.T) {
	inEveryStore(t, func(t *testing.T, l layout) {
		t.Helper()
		l.args = []string{"--snapshot-threshold", "20", "--snapshot-interval", "50ms", "--trailing-logs", "10"}
		c := newCluster(t, l).run()
		load := c.put()
		for _, m := range c.members {
			m.kill()
			c.more(load, *writes)
			c.start(m)
			c.catchUp(m)
		}
		c.killAll()
		c.start(c.members...)
		c.more(load, *writes)
		for _, m := range c.members {
			assert.Positive(t, m.status().Stats.SnapshotIndex, m.id)
		}
		c.judge(load)
	})
}
