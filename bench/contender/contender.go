// Package contender has the libraries that meet in the arena, one file each. A new one is a new file with a
// [Contender], and a line in [All].
package contender

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

// Key is what everybody contests for.
const Key = "leader.json"

// Settings are the same for all contenders, in their own terms. What a library has no setting for keeps its
// default.
type Settings struct {
	Key   string
	Lease time.Duration // for how long a leader that falls silent keeps others out
	Renew time.Duration // between two renewals
}

// Defaults are the lease and the interval that all are measured with: those of s3lect, and of client-go as
// Kubernetes configures it.
func Defaults() Settings {
	return Settings{Key: Key, Lease: 15 * time.Second, Renew: 5 * time.Second}
}

// WithLease returns settings with another lease, and intervals in proportion.
func (s Settings) WithLease(lease time.Duration) Settings {
	s.Renew = time.Duration(float64(s.Renew) * float64(lease) / float64(s.Lease))
	s.Lease = lease
	return s
}

// Contender is one way of electing a leader.
type Contender struct {
	Name   string
	Module string // whose version is reported, and which is required in go.mod; empty for what is written here
	About  string // how it is set up, and what counts as leading
	Store  Store
	// Can lists what faults may need of it.
	Can []arena.Need
	New func(*arena.Node, Settings) (arena.Candidate, error)
}

// Asked is a candidate whose library answers a question that programs ask at every decision.
type Asked interface {
	// Question returns the question, for the time in which the candidate leads.
	Question() func() bool
}

// Store is what a contender keeps its record in.
type Store int

const (
	// S3 is a bucket; each request is paid for.
	S3 Store = iota
	// Redis is a server of one's own.
	Redis
)

// All are the contenders that meet in fake time. etcd, which is a server of its own, is measured apart.
func All() []Contender {
	return []Contender{s3lectDefaults(), s3lectEqual(), s3lectPeers(), clientGo(), clientGoReleasing(), litestreamLeaser(), redsyncMutex()}
}

// loop is the goroutine of a candidate whose library leaves it to its user to have one.
type loop struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// begin calls run with a context that ends when the candidate is to stop.
func (l *loop) begin(run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		run(ctx)
	}()
}

// Stop ends it, and waits for that.
func (l *loop) Stop() {
	l.cancel()
	<-l.done
}

// periodically calls step now, and then from start to start every interval as long as ctx lives.
func periodically(ctx context.Context, interval time.Duration, step func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		step()
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

var silent = slog.New(slog.DiscardHandler)
