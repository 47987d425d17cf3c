package measure

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// reckless is an elector with the usual mistakes: it takes over without a condition when the record has not changed for
// a lease, and leads until it reads that somebody else does.
type reckless struct {
	node     *arena.Node
	settings contender.Settings
	cancel   context.CancelFunc
	done     chan struct{}

	mu    sync.Mutex
	leads bool
}

func newReckless(n *arena.Node, s contender.Settings) (arena.Candidate, error) {
	return &reckless{node: n, settings: s, done: make(chan struct{})}, nil
}

func (r *reckless) Leads() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leads
}

func (r *reckless) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return nil
}

func (r *reckless) Stop() {
	r.cancel()
	<-r.done
}

func (r *reckless) run(ctx context.Context) {
	defer close(r.done)
	var seen []byte
	var since time.Time
	for ; ctx.Err() == nil; time.Sleep(r.settings.Renew) {
		record, err := r.read(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil && !bytes.Equal(record, seen):
			seen, since = record, time.Now()
			r.set(bytes.HasPrefix(record, []byte(r.node.Name())))
		case r.Leads() || time.Since(since) > r.settings.Lease:
			seen, since = []byte(r.node.Name()+" "+time.Now().String()), time.Now()
			if r.write(ctx, seen) == nil {
				r.set(true)
			}
		}
	}
	r.set(false)
}

func (r *reckless) set(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads = leads
}

func (r *reckless) read(ctx context.Context) ([]byte, error) {
	out, err := r.node.S3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(arena.Bucket), Key: &r.settings.Key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func (r *reckless) write(ctx context.Context, record []byte) error {
	_, err := r.node.S3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(arena.Bucket), Key: &r.settings.Key, Body: bytes.NewReader(record)})
	return err
}

func TestARecklessElectorIsSeenToHaveTwoLeaders(t *testing.T) {
	c := contender.Contender{Name: "reckless", Can: []arena.Need{arena.Statuses, arena.ETags}, New: newReckless}
	for _, name := range []string{"partition, connections break", "partition, requests hang", "frozen processes"} {
		f := named(t, arena.Faults(), name, func(f arena.Fault) string { return f.Name })
		seen := bubbles(t, 4, func(seed uint64) (arena.Verdict, error) { return Overlaps(c, contender.Defaults(), f, seed) })
		var two time.Duration
		for _, v := range seen {
			two += v.Two
		}
		assert.Positive(t, two, f.Name)
	}
}

// litestream's leases end by the wall clock of who reads them.
func TestLeasesThatEndByTheWallClockAreSeenToHaveTwoLeaders(t *testing.T) {
	litestream := named(t, contender.All(), "litestream", func(c contender.Contender) string { return c.Name })
	wrong := named(t, arena.Faults(), "wall clocks wrong by up to 20 s", func(f arena.Fault) string { return f.Name })
	var two time.Duration
	for _, v := range bubbles(t, 16, func(seed uint64) (arena.Verdict, error) {
		return Overlaps(litestream, contender.Defaults(), wrong, seed)
	}) {
		two += v.Two
	}
	assert.Positive(t, two)
}

// named returns the one of that name.
func named[T any](t *testing.T, all []T, name string, nameOf func(T) string) T {
	t.Helper()
	i := slices.IndexFunc(all, func(v T) bool { return nameOf(v) == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}
