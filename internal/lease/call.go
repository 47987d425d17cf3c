package lease

import "time"

// Call is one request to the storage. It is over when Machine.Answer has been called for it, or
// when the machine has turned to another; then whatever still runs of it is to be cancelled.
type Call struct {
	// Record is what to write; nil for a read.
	Record *Record
	// ETag is the version that the write replaces; empty to create the object.
	ETag string

	sent     Instant
	deadline time.Duration
	known    Record // of a read: what was seen last when it left
}

// AnswerKind is how a call ended, as far as the protocol tells answers apart.
type AnswerKind int

const (
	// OK is a read that found a record, or a write that was confirmed.
	OK AnswerKind = iota
	// Absent is a read that found no object.
	Absent
	// Refused is a write whose precondition failed. Its outcome is unknown all the same: its
	// request may have been sent twice on the way.
	Refused
	// Throttled is a call whose outcome is unknown and whose next one should come later.
	Throttled
	// Bad is a read that found an object that is not a record.
	Bad
	// Failed is everything else: no answer, no permission, a broken server. Of a write the outcome
	// is unknown.
	Failed
)

// Answer is the end of a call.
type Answer struct {
	Kind   AnswerKind
	ETag   string  // with OK; empty if the storage does not report the ETag of a write
	Record *Record // with OK, of a read
	Err    error   // with Refused, Throttled, Bad and Failed
}

// Reason says why a leadership ended.
type Reason int

// The reasons.
const (
	Expired     Reason = iota + 1 // no renewal was confirmed in time
	Lost                          // a foreign record, or none, stands in its place
	Resigned                      // given up
	Transferred                   // given up for a named successor
	Stopped                       // the elector is shutting down
	QuorumLost                    // too few members were active for too long
)

// EventKind tells events apart.
type EventKind int

const (
	// Began says that this process leads from now on.
	Began EventKind = iota + 1
	// Ended says that it no longer does. The driver winds the work down and then calls Release.
	Ended
	// Released says that the resignation after an Ended is confirmed, or in Err why it is not.
	Released
	// Checked says that a read or a write has completed, and in Err what was wrong with it.
	Checked
	// Asked says that a question to the leader has ended, and in Err why it was of no use.
	Asked
	// Lapsed says that the leader on record has not renewed for a whole lease.
	Lapsed
	// Withheld says that this candidate has begun, or ceased, to keep back for want of members.
	Withheld
)

// Event is something that the driver tells others.
type Event struct {
	Kind   EventKind
	Term   int64
	Reason Reason // of Ended, and of the Released that belongs to it
	// Until, of Ended, is the moment up to which the lease still keeps others out; zero if it no
	// longer does.
	Until Instant
	Err   error
}
