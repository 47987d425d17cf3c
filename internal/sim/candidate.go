package sim

import (
	"context"
	"iter"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// Candidate is the elector under test: what *s3lect.S3Elector offers.
type Candidate interface {
	s3lect.Elector
	Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error
	Term() int64
	Remaining() time.Duration
	Resign(ctx context.Context) error
	TransferLeadership(ctx context.Context, serverID string) error
	Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus]
	Observers(ctx context.Context) ([]s3lect.Observer, error)
}

// NewCandidate makes an elector on a simulated machine.
type NewCandidate func(s3lect.S3ElectorOptions) (Candidate, error)

// Real is the elector of this module.
func Real(opts s3lect.S3ElectorOptions) (Candidate, error) { return s3lect.NewS3Elector(opts) }
