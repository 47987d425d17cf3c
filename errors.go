package s3lect

import (
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

var (
	// ErrNotStarted is returned to waiters and callers of an elector that is not running: never
	// started, or stopped, perhaps while they waited.
	ErrNotStarted = errors.New("elector is not started")
	// ErrAlreadyStarted is returned by Start, and by Lead where a second call would share the work.
	ErrAlreadyStarted = errors.New("elector is already started")
	// ErrNotLeader is returned by Resign and TransferLeadership where there is nothing to give up.
	ErrNotLeader = errors.New("not the leader")
	// ErrBadRecord says that the object under the key is not a leader record. It is never
	// overwritten; errors.As finds a *BadRecordError with the reason.
	ErrBadRecord = errors.New("not a leader record")
	// ErrDuplicateServerID says that another live process uses this elector's ServerID.
	ErrDuplicateServerID = errors.New("another process uses the same ServerID")
	// ErrObserverNotFound is returned for an observer that is not registered, or not any more.
	ErrObserverNotFound = errors.New("observer is not registered")
	// ErrObserversFull says that the list of observers would become larger than 64 KiB.
	ErrObserversFull = roster.ErrFull
)

// Reasons for the end of a leadership. errors.Is finds them in the context.Cause of the contexts
// that hooks and work get.
var (
	// ErrLeaseExpired says that no renewal was confirmed in time.
	ErrLeaseExpired = errors.New("lease expired without a confirmed renewal")
	// ErrLeadershipLost says that the record was replaced by another candidate's, or removed.
	ErrLeadershipLost = errors.New("leadership taken over or record removed")
	// ErrResigned says that Resign was called, that the work returned, that a hook failed, or that
	// NonVoting was set.
	ErrResigned = errors.New("resigned")
	// ErrTransferred says that TransferLeadership was called.
	ErrTransferred = errors.New("leadership transferred")
	// ErrStopped says that the elector was stopped or its context ended.
	ErrStopped = errors.New("elector stopped")
	// ErrQuorumLost says that fewer members than ElectorConfig.QuorumSize were active for longer than
	// the GracePeriod. In a status it says that this candidate claims nothing for want of members.
	ErrQuorumLost = errors.New("no quorum")
)

// BadRecordError says what is wrong with the object that stands where a leader record should be.
type BadRecordError struct {
	Key    string // of the object
	Reason string // for people
}

func (e *BadRecordError) Error() string {
	return fmt.Sprintf("object %q is not a leader record: %s; it is left as it is: choose another key, or replace it with \"s3lect repair\"", e.Key, e.Reason)
}

// Unwrap makes errors.Is(err, ErrBadRecord) true.
func (e *BadRecordError) Unwrap() error { return ErrBadRecord }

// BadObserversError says what is wrong with the object that stands where the list of observers should
// be. It is never overwritten.
type BadObserversError struct {
	Key    string // of the object
	Reason string // for people
}

func (e *BadObserversError) Error() string {
	return fmt.Sprintf("object %q is not a list of observers: %s; it is left as it is: choose another key for the leader record, or move the object away if it is nobody's", e.Key, e.Reason)
}

// Unwrap makes errors.Is(err, ErrBadRecord) true.
func (e *BadObserversError) Unwrap() error { return ErrBadRecord }
