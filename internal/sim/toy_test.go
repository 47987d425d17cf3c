package sim

import (
	"context"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// toy is an elector that does nothing, for others to build on.
type toy struct {
	config s3lect.ElectorConfig
	leads  func() int64 // the term; 0 when it does not lead

	mu   sync.Mutex
	stop chan struct{}
	done sync.WaitGroup
}

func (e *toy) Term() int64 {
	if e.leads == nil {
		return 0
	}
	return e.leads()
}

func (e *toy) Start(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop = make(chan struct{})
	return nil
}

func (e *toy) Stop() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop != nil {
		close(e.stop)
		e.stop = nil
	}
	return nil
}

func (e *toy) IsLeader() bool           { return e.Term() > 0 }
func (e *toy) Remaining() time.Duration { return time.Duration(e.Term()) }
func (e *toy) WaitForLeadership(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *toy) WaitForNextElection(context.Context, time.Time) (*s3lect.LeadershipStatus, error) {
	return nil, s3lect.ErrNotStarted
}

func (e *toy) LeaderID() string                              { return "" }
func (e *toy) GetLeadershipStatus() *s3lect.LeadershipStatus { return &s3lect.LeadershipStatus{} }
func (e *toy) EnablePeerMode([]byte) error                   { return nil }
func (e *toy) UpdateConfig(s3lect.ElectorConfig) error       { return nil }
func (e *toy) GetConfig() *s3lect.ElectorConfig              { c := e.config; return &c }
func (e *toy) Lead(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *toy) Resign(context.Context) error                     { return s3lect.ErrNotLeader }
func (e *toy) TransferLeadership(context.Context, string) error { return s3lect.ErrNotLeader }
func (e *toy) Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus] {
	return func(func(s3lect.LeadershipStatus) bool) { <-ctx.Done() }
}

// judge runs a toy on three nodes in the calm.
func judge(t *testing.T, newCandidate NewCandidate) (kinds map[string]bool) {
	t.Helper()
	kinds = map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		r := Run(Options{Seed: 1, Schedule: Schedules()[0], Nodes: 3, New: newCandidate})
		require.True(t, r.Failed())
		for _, v := range r.Violations {
			kinds[v.Kind] = true
		}
		assert.Contains(t, r.String(), "VIOLATION")
	})
	return kinds
}

func TestElectorsThatAllLeadAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.S3ElectorOptions) (Candidate, error) {
		return &toy{leads: func() int64 { return 1 }}, nil
	})
	assert.True(t, kinds[TwoLeaders], kinds)
	assert.True(t, kinds[TrustWindow], kinds)
	assert.True(t, kinds[Terms], kinds)
}

func TestElectorsThatNeverLeadAreCaught(t *testing.T) {
	kinds := judge(t, func(s3lect.S3ElectorOptions) (Candidate, error) { return &toy{}, nil })
	assert.True(t, kinds[Liveness], kinds)
}

// greedy overwrites whatever is there, without an end and without a pause.
type greedy struct {
	toy
	storage s3lect.Storage
}

func (e *greedy) Start(ctx context.Context) error {
	go func() {
		for term := int64(1); ctx.Err() == nil; term++ {
			_, etag, _ := e.storage.Get(ctx, mainKey)
			_ = e.storage.PutIfMatch(ctx, mainKey, testRecord(term), etag)
		}
	}()
	return e.toy.Start(ctx)
}

func TestElectorsThatClaimWithoutWaitingAreCaught(t *testing.T) {
	kinds := judge(t, func(o s3lect.S3ElectorOptions) (Candidate, error) {
		return &greedy{storage: o.Storage}, nil
	})
	assert.True(t, kinds[Terms] || kinds[EarlyClaim], kinds)
}

// restless asks all the time.
type restless struct {
	toy
	storage s3lect.Storage
}

func (e *restless) Start(ctx context.Context) error {
	for range 3 {
		go func() {
			for ctx.Err() == nil {
				_, _, _ = e.storage.Get(ctx, mainKey)
			}
		}()
	}
	return e.toy.Start(ctx)
}

func TestElectorsThatNeverRestAreCaught(t *testing.T) {
	kinds := judge(t, func(o s3lect.S3ElectorOptions) (Candidate, error) { return &restless{storage: o.Storage}, nil })
	assert.True(t, kinds[HotLoop], kinds)
}
