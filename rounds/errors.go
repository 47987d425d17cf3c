package rounds

import (
	"errors"
	"fmt"
)

var (
	// ErrNotElected says that somebody else has won the round, or nobody yet. The error is a
	// [*NotElectedError], which tells who.
	ErrNotElected = errors.New("not elected")

	// ErrAlreadyCompleted says that another candidate has recorded its completion of the round. The
	// error is an [*AlreadyCompletedError], which tells whose it is.
	ErrAlreadyCompleted = errors.New("already completed by another candidate")

	// ErrUndecided says that it could not be told who has won, or whether a completion is recorded:
	// the storage did not answer, or not clearly, in time. It may have been this candidate.
	// Asking again is safe, and a candidate with an ID gets the right answer then.
	ErrUndecided = errors.New("could not tell the outcome")

	// ErrIdentifier says that the name of a system, a round or a candidate cannot be used. The error
	// is an [*IdentifierError].
	ErrIdentifier = errors.New("identifier cannot be used")
)

// NotElectedError is why a completion was refused. It wraps [ErrNotElected].
type NotElectedError struct {
	// Elected is who has won the round; nil if nobody has.
	Elected *Event
}

func (e *NotElectedError) Error() string {
	switch {
	case e.Elected == nil:
		return "not elected: nobody has won the round yet; elect first"
	case e.Elected.ID == "":
		return fmt.Sprintf("not elected: the round was won without an identity, from %s; complete it without one", e.Elected)
	default:
		return fmt.Sprintf("not elected: the round was won by %s", e.Elected)
	}
}

func (*NotElectedError) Unwrap() error { return ErrNotElected }

// AlreadyCompletedError is why a completion was refused. It wraps [ErrAlreadyCompleted].
type AlreadyCompletedError struct {
	// Completed is whose completion is recorded.
	Completed Event
}

func (e *AlreadyCompletedError) Error() string {
	return fmt.Sprintf("already completed by %s", &e.Completed)
}

func (*AlreadyCompletedError) Unwrap() error { return ErrAlreadyCompleted }

// IdentifierError names what cannot be used, and why. It wraps [ErrIdentifier].
type IdentifierError struct {
	Field  string // "system", "round", "candidate ID" or "candidate address"
	Value  string
	Reason string
}

func (e *IdentifierError) Error() string {
	const shown = 40
	value := e.Value
	if len(value) > shown {
		value = value[:shown] + "..."
	}
	return fmt.Sprintf("%s %q %s", e.Field, value, e.Reason)
}

func (*IdentifierError) Unwrap() error { return ErrIdentifier }

// RecordError says that the object under a round's key is not a record of that round. Nothing
// overwrites it.
type RecordError struct {
	Key string
	Err error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("object %q is not the record of its round: %v; it is left as it is: move it away, or choose another prefix", e.Key, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }
