//go:build linux

package main

import (
	"context"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// takeOver has a node write as soon as it can, like a client that tries again and again, and says whether it could. It
// cannot once another node leads than the one that is gone.
func takeOver(ctx context.Context, node *consensus.Node, gone string) (bool, error) {
	for {
		if err := node.Apply(ctx, consensus.Command{Type: "first"}); err == nil {
			return true, nil
		}
		if leader := node.GetLeader(); leader != "" && leader != gone && leader != node.ID() {
			return false, nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return false, err
		}
	}
}

// delayRow is how long something took, many times.
type delayRow struct {
	What     string        `json:"what"`
	Election time.Duration `json:"election"` // the least election time-out
	Runs     int           `json:"runs"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Max      time.Duration `json:"max"`
}
