package sim

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// toy is an elector that does nothing, for others to build on.
type toy struct {
	leads func() int64              // the term; 0 when it does not lead
	run   func(ctx context.Context) // what it does while it is started; nil for nothing
}

func (e *toy) Term() int64 {
	if e.leads == nil {
		return 0
	}
	return e.leads()
}

func (e *toy) Start(ctx context.Context) error {
	if e.run != nil {
		go e.run(ctx)
	}
	return nil
}

func (e *toy) Stop() error              { return nil }
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
func (e *toy) GetConfig() *s3lect.ElectorConfig              { return &s3lect.ElectorConfig{} }
func (e *toy) Lead(ctx context.Context, _ func(context.Context, int64) error) error {
	_ = e.Start(ctx)
	<-ctx.Done()
	return ctx.Err()
}

func (e *toy) Resign(context.Context) error                     { return s3lect.ErrNotLeader }
func (e *toy) TransferLeadership(context.Context, string) error { return s3lect.ErrNotLeader }
func (e *toy) Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus] {
	return func(func(s3lect.LeadershipStatus) bool) { <-ctx.Done() }
}

func (e *toy) Observers(context.Context) ([]s3lect.Observer, error) { return nil, nil }

// judge runs a toy on three nodes in the calm, until the first violation of a kind that counts.
func judge(t *testing.T, newCandidate NewCandidate, only ...string) (kinds map[string]bool) {
	t.Helper()
	kinds = map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		r := Run(Options{Seed: 1, Schedule: Schedules()[0], Nodes: 3, New: newCandidate, Only: only})
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
	kinds := judge(t, func(s3lect.S3ElectorOptions) (Candidate, error) { return &toy{}, nil }, Liveness) // nor does it read
	assert.True(t, kinds[Liveness], kinds)
}

func TestElectorsThatClaimWithoutWaitingAreCaught(t *testing.T) {
	kinds := judge(t, func(o s3lect.S3ElectorOptions) (Candidate, error) {
		return &toy{run: func(ctx context.Context) {
			for term := int64(1); ctx.Err() == nil; term++ {
				_, etag, _ := o.Storage.Get(ctx, mainKey)
				_ = o.Storage.PutIfMatch(ctx, mainKey, testRecord(term), etag)
			}
		}}, nil
	}, Terms, EarlyClaim) // its records break other rules as well
	assert.True(t, kinds[Terms] || kinds[EarlyClaim], kinds)
}

func TestElectorsThatNeverRestAreCaught(t *testing.T) {
	kinds := judge(t, func(o s3lect.S3ElectorOptions) (Candidate, error) {
		ask := func(ctx context.Context) {
			for ctx.Err() == nil {
				_, _, _ = o.Storage.Get(ctx, mainKey)
			}
		}
		return &toy{run: func(ctx context.Context) {
			go ask(ctx)
			ask(ctx)
		}}, nil
	})
	assert.True(t, kinds[HotLoop], kinds)
}
