package s3lect

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
)

type Elector interface {
	Start(ctx context.Context) error
	Stop() error
	IsLeader() bool
	WaitForLeadership(ctx context.Context) error
	WaitForNextElection(ctx context.Context, since time.Time) (*LeadershipStatus, error)
	LeaderID() string
	GetLeadershipStatus() *LeadershipStatus
	EnablePeerMode(caCert []byte) error
	UpdateConfig(newConfig ElectorConfig) error
	GetConfig() *ElectorConfig
}

// S3ElectorOptions are the parts an elector is built from.
type S3ElectorOptions struct {
	// Config says who this candidate is. It is copied. Required.
	Config *ElectorConfig
	// Storage holds the record. Required.
	Storage Storage
	// Logger receives what happens. Defaults to slog.Default().
	Logger *slog.Logger
	// Env replaces clocks and randomness in the simulation. Leave it nil.
	Env *env.Env
}

type S3Elector struct{}

func NewS3Elector(opts S3ElectorOptions) (*S3Elector, error)     { panic("skeleton") }
func (e *S3Elector) Start(ctx context.Context) error             { panic("skeleton") }
func (e *S3Elector) Stop() error                                 { panic("skeleton") }
func (e *S3Elector) IsLeader() bool                              { panic("skeleton") }
func (e *S3Elector) WaitForLeadership(ctx context.Context) error { panic("skeleton") }
func (e *S3Elector) WaitForNextElection(ctx context.Context, since time.Time) (*LeadershipStatus, error) {
	panic("skeleton")
}
func (e *S3Elector) LeaderID() string                           { panic("skeleton") }
func (e *S3Elector) GetLeadershipStatus() *LeadershipStatus     { panic("skeleton") }
func (e *S3Elector) EnablePeerMode(caCert []byte) error         { panic("skeleton") }
func (e *S3Elector) UpdateConfig(newConfig ElectorConfig) error { panic("skeleton") }
func (e *S3Elector) GetConfig() *ElectorConfig                  { panic("skeleton") }

// Lead contests and runs work(ctx, term) whenever this process leads. Starts the elector if nobody
// has, and then stops it on return. The work's context ends before the lease does (see LeadershipEnd).
// When the work returns by itself while leading, Lead releases and returns its error; when its
// context ended first, the contest begins again. When ctx ends: graceful stop, returns ctx's error.
func (e *S3Elector) Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error {
	panic("skeleton")
}
func (e *S3Elector) Term() int64                                                   { panic("skeleton") }
func (e *S3Elector) Remaining() time.Duration                                      { panic("skeleton") }
func (e *S3Elector) Resign(ctx context.Context) error                              { panic("skeleton") }
func (e *S3Elector) TransferLeadership(ctx context.Context, serverID string) error { panic("skeleton") }
func (e *S3Elector) Watch(ctx context.Context) iter.Seq[LeadershipStatus]          { panic("skeleton") }
