package consensus

import (
	"errors"
	"fmt"
)

// What can go wrong. Errors wrap these; compare with errors.Is.
var (
	// ErrNotLeader says that another node leads. It comes as a [*NotLeaderError], which says which one.
	ErrNotLeader = errors.New("this node is not the leader")
	// ErrNoLeader says that this node knows of no leader at the moment.
	ErrNoLeader = errors.New("no leader is known")
	// ErrNotStarted says that the node has not been started, or has stopped.
	ErrNotStarted = errors.New("node is not running")
	// ErrAlreadyStarted says that Start has been called before. A node is started once.
	ErrAlreadyStarted = errors.New("node has already been started")
	// ErrNoQuorum says that this node leads, or did a moment ago, and could not hear of a majority of the voters in time.
	ErrNoQuorum = errors.New("no majority of the voters answers")
	// ErrElectionTimeout says that nobody was elected in the time there was.
	ErrElectionTimeout = errors.New("nobody was elected in time")
	// ErrSnapshotFailed says that a snapshot could not be taken, written, read or restored.
	ErrSnapshotFailed = errors.New("snapshot failed")
	// ErrLogInconsistent says that the log on stable storage is damaged or has a gap. Nothing of it has been changed.
	ErrLogInconsistent = errors.New("log is inconsistent")
	// ErrStaleTerm says that a command was bound to a term that is over. It has not been applied and never will be.
	ErrStaleTerm = errors.New("term is over")
	// ErrNodeNotFound says that a node is not a member of the cluster.
	ErrNodeNotFound = errors.New("node is not a member of the cluster")
	// ErrPeerExists says that a node, or the address of one, is a member already.
	ErrPeerExists = errors.New("node is already a member of the cluster")
	// ErrInsufficientPeers says that too few voters would be left, or are there.
	ErrInsufficientPeers = errors.New("not enough voters")
	// ErrStorageUnavailable says that stable storage is missing, cannot be opened or has failed. A node whose storage
	// fails stops.
	ErrStorageUnavailable = errors.New("stable storage is unavailable")
	// ErrUnknownOutcome says that a command may or may not have been committed, now or later. It comes as an
	// [*UnknownOutcomeError].
	ErrUnknownOutcome = errors.New("outcome is unknown")
	// ErrForeignState says that stable storage belongs to another cluster or another node.
	ErrForeignState = errors.New("stable storage belongs to somebody else")
	// ErrMachineFailed says that the state machine has panicked. The node has stopped, unless it was on a query.
	ErrMachineFailed = errors.New("state machine has panicked")
	// ErrTooLarge says that a command is larger than WithMaxCommandSize allows.
	ErrTooLarge = errors.New("command is too large")
	// ErrConfig says that options contradict each other or cannot work.
	ErrConfig = errors.New("configuration is not usable")
)

// NotLeaderError is an ErrNotLeader that says who leads.
type NotLeaderError struct {
	LeaderID      string // the node that leads
	LeaderAddress string // host and port of its transport
	LeaderAPI     string // where its API is, if it has said so; see WithAPIAddress
}

func (e *NotLeaderError) Error() string {
	return fmt.Sprintf("%v: ask %s at %s", ErrNotLeader, e.LeaderID, e.LeaderAddress)
}

// Is makes the error an ErrNotLeader.
func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }

// UnknownOutcomeError is an ErrUnknownOutcome: the command was handed to the log, and then leadership, the
// majority or the caller's patience was lost. It may be applied later. Sending it again is safe only if applying
// it twice does no harm.
type UnknownOutcomeError struct {
	Err error // why it is not known
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%v, the command may be applied or not: %v", ErrUnknownOutcome, e.Err)
}

// Unwrap returns why the outcome is not known.
func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// Is makes the error an ErrUnknownOutcome.
func (e *UnknownOutcomeError) Is(target error) bool { return target == ErrUnknownOutcome }

// MachineError is what the state machine answered to a command that has been committed. Every node's machine
// answers the same.
type MachineError struct {
	Index uint64 // of the entry in the log
	Err   error
}

func (e *MachineError) Error() string { return e.Err.Error() }

// Unwrap returns the state machine's error.
func (e *MachineError) Unwrap() error { return e.Err }

// IsNotLeaderError says whether another node should be asked.
func IsNotLeaderError(err error) bool { return errors.Is(err, ErrNotLeader) }

// IsNoLeaderError says whether no leader was known.
func IsNoLeaderError(err error) bool { return errors.Is(err, ErrNoLeader) }

// IsNoQuorumError says whether too few voters answered.
func IsNoQuorumError(err error) bool { return errors.Is(err, ErrNoQuorum) }

// IsRetryable says whether the same call can be made again, here or at the leader, without the danger that it is
// done twice. An unknown outcome is not retryable.
func IsRetryable(err error) bool {
	if errors.Is(err, ErrUnknownOutcome) || isAnswer(err) {
		return false
	}
	return errors.Is(err, ErrNotLeader) || errors.Is(err, ErrNoLeader) ||
		errors.Is(err, ErrNoQuorum) || errors.Is(err, ErrElectionTimeout)
}

// IsFatal says whether the node cannot go on, or cannot be started, before somebody has looked at it.
func IsFatal(err error) bool {
	if isAnswer(err) {
		return false
	}
	return errors.Is(err, ErrStorageUnavailable) || errors.Is(err, ErrLogInconsistent) ||
		errors.Is(err, ErrForeignState) || errors.Is(err, ErrMachineFailed) ||
		errors.Is(err, errRestoreFailed)
}

// isAnswer says whether an error is what the state machine has answered, whatever that wraps: the command is committed.
func isAnswer(err error) bool {
	var answer *MachineError
	return errors.As(err, &answer)
}

// errRestoreFailed is an ErrSnapshotFailed after which the state machine cannot be trusted.
var errRestoreFailed = fmt.Errorf("%w: the state machine could not be restored", ErrSnapshotFailed)
