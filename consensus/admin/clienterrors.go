package admin

import (
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// Error is an answer that was not a success. It wraps the error of the consensus package that the node has met, if
// it was one, so that errors.Is and errors.As find the same as in the node's own process.
type Error struct {
	Server string // that has answered
	Status int    // of HTTP
	Failure
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Server, e.Text) }

// Unwrap returns the error of the consensus package, or nil.
func (e *Error) Unwrap() error {
	switch {
	case e.UnknownOutcome:
		return &consensus.UnknownOutcomeError{Err: errors.New(e.Text)}
	case e.Code == CodeNotLeader:
		return &consensus.NotLeaderError{LeaderID: e.Leader, LeaderAddress: e.LeaderAddress, LeaderAPI: e.LeaderAPI}
	case e.Code == CodeMachineError:
		return &consensus.MachineError{Index: e.Index, Err: errors.New(e.Text)}
	}
	for _, known := range sentinels {
		if known.code == e.Code {
			return known.err
		}
	}
	return nil
}

// UnreachableError says that a server could not be asked, or, for a request that changes nothing, that it has not answered.
// Nothing has been done.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %v", e.Server, e.Err)
}

// Unwrap returns what the network said.
func (e *UnreachableError) Unwrap() error { return e.Err }
