//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/pgserver"
)

// inEveryStore runs a test on each of the storages that survive the end of a process.
func inEveryStore(t *testing.T, test func(t *testing.T, store func(t *testing.T, id string) []string)) {
	t.Helper()
	for _, kind := range engines {
		t.Run(kind, func(t *testing.T) { test(t, inDirectories(kind)) })
	}
	t.Run("postgres", func(t *testing.T) {
		server := pgserver.Start(t)
		test(t, func(*testing.T, string) []string { return []string{"--store", server.URL()} })
	})
}

func TestNothingConfirmedIsLostWhenEveryNodeIsKilledAtOnce(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store func(t *testing.T, id string) []string) {
		t.Helper()
		c := newCluster(t, layout{size: 3, store: store}).run()
		l := c.put()
		for range 3 {
			c.more(l, 200)
			c.killAll()
			c.start(c.members...)
			c.leader()
		}
		c.more(l, 200)
		c.judge(l)
	})
}

func TestNothingConfirmedIsLostWhenTheLeaderIsKilled(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store func(t *testing.T, id string) []string) {
		t.Helper()
		c := newCluster(t, layout{size: 3, store: store}).run()
		l := c.put()
		for range 3 {
			c.more(l, 200)
			old := c.leader()
			old.kill()
			c.leader(c.others(old)...)
			c.more(l, 200)
			c.start(old)
			c.catchUp(old)
		}
		c.judge(l)
	})
}

// With so few entries between snapshots, nodes that come back are sent one, and restart from their own.
func TestNothingConfirmedIsLostBehindSnapshots(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store func(t *testing.T, id string) []string) {
		t.Helper()
		often := []string{"--snapshot-threshold", "20", "--snapshot-interval", "50ms", "--trailing-logs", "10"}
		c := newCluster(t, layout{size: 3, store: store, args: often}).run()
		l := c.put()
		for _, m := range c.members {
			m.kill()
			c.more(l, 300)
			c.start(m)
			c.catchUp(m)
		}
		c.killAll()
		c.start(c.members...)
		c.more(l, 100)
		for _, m := range c.members {
			assert.Positive(t, m.status().Stats.SnapshotIndex, m.id)
		}
		c.judge(l)
	})
}
