package s3lect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// EndReason says in a status why a leadership of this process has ended. Its text form, also in JSON, is
// that of String.
type EndReason uint8

// The reasons. Zero is none.
const (
	EndResigned EndReason = iota + 1
	EndTransferred
	EndStopped
	EndExpired
	EndLost
	EndQuorumLost

	endUnknown EndReason = 255 // of a text that this version does not know
)

var endings = [...]struct {
	text string
	err  error
	of   lease.Reason
}{
	{},
	EndResigned:    {"resigned", ErrResigned, lease.Resigned},
	EndTransferred: {"transferred", ErrTransferred, lease.Transferred},
	EndStopped:     {"stopped", ErrStopped, lease.Stopped},
	EndExpired:     {"lease expired", ErrLeaseExpired, lease.Expired},
	EndLost:        {"lost", ErrLeadershipLost, lease.Lost},
	EndQuorumLost:  {"quorum lost", ErrQuorumLost, lease.QuorumLost},
}

func endReason(of lease.Reason) EndReason {
	for r := range endings {
		if endings[r].of == of {
			return EndReason(r)
		}
	}
	return 0
}

// Err returns the sentinel of the reason, such as ErrQuorumLost, for errors.Is; nil for none.
func (r EndReason) Err() error {
	if int(r) >= len(endings) {
		return nil
	}
	return endings[r].err
}

// String returns the reason in words, such as "quorum lost"; for none it is empty.
func (r EndReason) String() string {
	switch {
	case r == endUnknown:
		return "unknown"
	case int(r) >= len(endings):
		return fmt.Sprintf("EndReason(%d)", uint8(r))
	}
	return endings[r].text
}

// MarshalText implements encoding.TextMarshaler.
func (r EndReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A text that is no reason known here is one whose
// String is "unknown": a status may come from a later version.
func (r *EndReason) UnmarshalText(text []byte) error {
	*r = endUnknown
	for i := range endings {
		if endings[i].text == string(text) {
			*r = EndReason(i)
		}
	}
	return nil
}

// LeadershipEnd is the context.Cause of the contexts that hooks and work get, once the leadership
// has ended.
type LeadershipEnd struct {
	// Term is the leadership that ended.
	Term int64
	// Reason is one of ErrLeaseExpired, ErrLeadershipLost, ErrResigned, ErrTransferred, ErrStopped,
	// ErrQuorumLost.
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

type endKey struct{}

// LeadershipEndOf returns the end of the leadership that a context is about: of one that OnLoseLeadership
// was given, and of one that OnAcquireLeadership or work were given, once it has ended. Of any other
// it is nil.
func LeadershipEndOf(ctx context.Context) *LeadershipEnd {
	if end, ok := ctx.Value(endKey{}).(*LeadershipEnd); ok && end != nil {
		return end
	}
	var end *LeadershipEnd
	if errors.As(context.Cause(ctx), &end) {
		return end
	}
	return nil
}
