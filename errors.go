package s3lect

import (
	"errors"
	"fmt"
	"time"
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
)

// Reasons for the end of a leadership. errors.Is finds them in the context.Cause of the contexts
// that hooks and work get.
var (
	// ErrLeaseExpired says that no renewal was confirmed in time.
	ErrLeaseExpired = errors.New("lease expired without a confirmed renewal")
	// ErrLeadershipLost says that the record was replaced by another candidate's, or removed.
	ErrLeadershipLost = errors.New("leadership taken over or record removed")
	// ErrResigned says that Resign was called, that the work returned, or that a hook failed.
	ErrResigned = errors.New("resigned")
	// ErrTransferred says that TransferLeadership was called.
	ErrTransferred = errors.New("leadership transferred")
	// ErrStopped says that the elector was stopped or its context ended.
	ErrStopped = errors.New("elector stopped")
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

// LeadershipEnd is the context.Cause of the contexts that hooks and work get, once the leadership
// has ended.
type LeadershipEnd struct {
	// Term is the leadership that ended.
	Term int64
	// Reason is one of ErrLeaseExpired, ErrLeadershipLost, ErrResigned, ErrTransferred, ErrStopped.
	Reason error
	// Until is the moment, by this process's clock, up to which the lease still keeps others out.
	// Work that has to wind down must be done by then. It is the zero time if another candidate
	// may lead already.
	Until time.Time
}

func (e *LeadershipEnd) Error() string {
	return fmt.Sprintf("leadership of term %d has ended: %v", e.Term, e.Reason)
}

// Unwrap returns the reason.
func (e *LeadershipEnd) Unwrap() error { return e.Reason }
