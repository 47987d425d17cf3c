package consensus

import (
	"io"
	"log/slog"

	"github.com/hashicorp/raft"
)

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// stuckMachine applies nothing before a channel is closed.
type stuckMachine struct{ stuck chan struct{} }

func (m stuckMachine) Apply(*raft.Log) any {
	<-m.stuck
	return nil
}

func (m stuckMachine) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (m stuckMachine) Restore(io.ReadCloser) error         { return nil }
