package admin

import (
	"context"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// node is what the handler needs of a *consensus.Node.
type node interface {
	ID() string
	Done() <-chan struct{}
	Err() error

	IsLeader() bool
	GetLeader() string
	GetRole() consensus.Role
	GetTerm() uint64
	GetClusterInfo() consensus.ClusterInfo
	GetStats() consensus.Stats
	Timing() consensus.Timing

	ApplyResult(ctx context.Context, command consensus.Command) (consensus.Result, error)
	Read(ctx context.Context, query any) (any, error)
	ReadStale(query any) (any, error)
	Snapshot(ctx context.Context) error
	AddNode(ctx context.Context, id, address string, port int) error
	AddNonVoter(ctx context.Context, id, address string, port int) error
	RemoveNode(ctx context.Context, id string) error
	TransferLeadership(ctx context.Context, id string) error
	StepDown(ctx context.Context) error
}

var _ node = (*consensus.Node)(nil)

// leader returns who leads, as a node knows it; with no ID if nobody is known.
func leader(n node) Leader {
	info := n.GetClusterInfo()
	known := Leader{ID: info.Leader, Term: info.Term}
	for _, member := range info.Nodes {
		if member.ID == info.Leader {
			known.Address, known.API = member.Address, member.API
		}
	}
	return known
}
