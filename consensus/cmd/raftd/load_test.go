//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// load is clients that write and read all the time, whatever happens to the nodes.
type load struct {
	t       *testing.T
	history *history
	stop    context.CancelFunc
	done    sync.WaitGroup

	confirmed atomic.Int64 // writes
	mu        sync.Mutex
	unique    map[string]string // keys that were written once, and confirmed
}

const (
	registerClients = 6
	uniqueClients   = 2
	registers       = 4
)

// put begins to write and to read at a cluster.
func (c *cluster) put() *load {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &load{t: c.t, history: newHistory(), stop: stop, unique: map[string]string{}}
	for id := range registerClients + uniqueClients {
		// Each asks another node first.
		urls := c.urls()
		first := id % len(urls)
		client := clientOf(c.t, c.tls, 10*time.Second, append(urls[first:len(urls):len(urls)], urls[:first]...)...)
		l.done.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if id < registerClients {
					l.useRegister(client, id, n)
				} else {
					l.writeOnce(client, id, n)
				}
			}
		})
	}
	c.t.Cleanup(l.end)
	return l
}

// end waits for the clients.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// useRegister does one operation. It is not cut off when the load is to end: its result counts.
func (l *load) useRegister(client *admin.Client, id, n int) {
	ctx := context.Background()
	in := input{kind: "get", key: fmt.Sprintf("register-%d", rand.IntN(registers)), value: fmt.Sprintf("%d-%d", id, n)}
	called := time.Now()
	var out kv.Answer
	var err error
	switch rand.IntN(4) {
	case 0:
		in.kind = kv.TypeSet
		out, err = apply(ctx, client, kv.Set(in.key, in.value))
	case 1:
		seen, readErr := answerOf(client.Read(ctx, map[string]string{"get": in.key}))
		l.history.record(id, in, seen, called, readErr)
		if err = readErr; err != nil {
			break
		}
		in.kind = kv.TypeCompareAndSwap
		if seen.Found {
			in.old = &seen.Value
		}
		called = time.Now()
		out, err = apply(ctx, client, kv.CompareAndSwap(in.key, in.old, in.value))
	default:
		out, err = answerOf(client.Read(ctx, map[string]string{"get": in.key}))
	}
	if in.kind != "get" && err == nil {
		l.confirmed.Add(1)
	}
	l.history.record(id, in, out, called, err)
	if err != nil {
		pause()
	}
}

func (l *load) writeOnce(client *admin.Client, id, n int) {
	key, value := fmt.Sprintf("unique/%d/%06d", id, n), fmt.Sprint(n)
	_, err := apply(context.Background(), client, kv.Set(key, value))
	if err != nil {
		pause()
		return
	}
	l.confirmed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unique[key] = value
}

// pause keeps a client from asking nodes that are gone without end.
func pause() { <-time.After(20 * time.Millisecond) }

func apply(ctx context.Context, client *admin.Client, command consensus.Command) (kv.Answer, error) {
	applied, err := client.Apply(ctx, command)
	return answerOf(applied.Value, err)
}

// more waits until so many more writes were confirmed.
func (c *cluster) more(l *load, writes int64) {
	c.t.Helper()
	goal := l.confirmed.Load() + writes
	c.eventually("writes do not go on", func() bool { return l.confirmed.Load() >= goal })
}

// judge ends the load and fails the test if anything that was confirmed is not there, or was never so.
func (c *cluster) judge(l *load) {
	c.t.Helper()
	l.end()
	c.leader()
	there := map[string]string{}
	client := clientOf(c.t, c.tls, 10*time.Second, c.urls()...)
	q := map[string]any{"list": "unique/", "limit": 5000, "after": ""}
	for more := true; more; {
		var listing kv.Listing
		c.eventually("the list is not answered", func() bool {
			var err error
			listing, err = listingOf(client.Read(context.Background(), q))
			return err == nil
		})
		for _, entry := range listing.Entries {
			there[entry.Key] = entry.Value
			q["after"] = entry.Key
		}
		more = listing.More
	}
	lost := 0
	for key, value := range l.unique {
		if there[key] != value {
			lost++
		}
	}
	c.t.Logf("%d unique keys confirmed, %d there", len(l.unique), len(there))
	assert.Zero(c.t, lost, "confirmed writes that are lost")
	require.NotEmpty(c.t, l.unique)
	l.history.judge(c.t)
}
