package election

import (
	"errors"
	"fmt"
)

// What can go wrong. Errors wrap these; compare with errors.Is.
var (
	// ErrConfig says that the configuration cannot work.
	ErrConfig = errors.New("configuration is not usable")
	// ErrAlreadyRun says that Run has been called before, or Stop. An Election runs once.
	ErrAlreadyRun = errors.New("election has already been run or stopped")
	// ErrVotes says that the votes cannot be read or written. Nothing has been changed. It comes as a [*VotesError].
	ErrVotes = errors.New("votes cannot be kept")
	// ErrForeignVotes says that the votes are another node's or another membership's. It is an ErrVotes.
	ErrForeignVotes = errors.New("votes belong to somebody else")
	// ErrDamagedVotes says that the file of the votes is not what was written. It is an ErrVotes.
	ErrDamagedVotes = errors.New("votes are damaged")
	// ErrCallbackOverdue says that a callback has not returned within CallBackTimeout.
	ErrCallbackOverdue = errors.New("has not returned in time")
	// ErrCallbacksLate says that callbacks are so far behind that transitions have been left out.
	ErrCallbacksLate = errors.New("callbacks are too far behind, transitions were left out")
)

// VotesError is an ErrVotes: what happened to which file.
type VotesError struct {
	Path string
	Err  error
}

func (e *VotesError) Error() string { return fmt.Sprintf("votes file %s: %v", e.Path, e.Err) }

// Unwrap returns what happened.
func (e *VotesError) Unwrap() []error { return []error{ErrVotes, e.Err} }

// CallbackError is an error that a callback has returned, or an ErrCallbackOverdue.
type CallbackError struct {
	Callback   string // the name of its field in Config
	Transition Transition
	Err        error
}

func (e *CallbackError) Error() string {
	return fmt.Sprintf("callback %s in term %d: %v", e.Callback, e.Transition.Term, e.Err)
}

// Unwrap returns the callback's error.
func (e *CallbackError) Unwrap() error { return e.Err }

// PeerError says that a peer cannot be talked to. It is reported once for each time that a peer stays away for longer than
// ElectionTimeout.
type PeerError struct {
	Node Node
	Err  error
}

func (e *PeerError) Error() string {
	return fmt.Sprintf("node %s does not answer: %v", e.Node.ID, e.Err) // the transport says where
}

// Unwrap returns the error of the latest attempt.
func (e *PeerError) Unwrap() error { return e.Err }
