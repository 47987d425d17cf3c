package rounds

import (
	"cmp"
	"time"
)

// Candidate is who asks to be elected or has completed a round.
type Candidate struct {
	// ID is an identity of the candidate's choice, different for each of them and the same when it
	// asks again: 1 to 256 printable ASCII characters without spaces at the ends. A host name will
	// do where each host runs one. Without an ID the candidate is anonymous, and known by its
	// address alone.
	ID string
	// Address is where the candidate is, for people and programs that want to find it. It is kept
	// as it comes: at most 256 printable ASCII characters, and not empty for an anonymous candidate.
	Address string
}

// Event is an election or a completion.
type Event struct {
	// ID is the candidate's identity; empty for an anonymous one.
	ID string `json:"id,omitempty"`
	// Address is the candidate's.
	Address string `json:"address,omitempty"`
	// At is when it was recorded, by the clock of the machine that did. It is for people: nothing
	// is decided by it, except how old a round is that is pruned.
	At time.Time `json:"at"`
}

// String is the ID, or else the address.
func (e *Event) String() string {
	return cmp.Or(e.ID, e.Address)
}

// is reports whether the event was the candidate's. Anonymous candidates with the same address are
// taken for one.
func (e *Event) is(c Candidate) bool {
	if c.ID == "" {
		return e.ID == "" && e.Address == c.Address
	}
	return e.ID == c.ID
}

// State is what is known of a round. A round of which nothing is known has version 0.
type State struct {
	System string `json:"system"`
	Round  string `json:"round"`
	// Version grows by one with each change. Neither event ever changes or vanishes once it is
	// there, so that there are two changes at most.
	Version int64 `json:"version"`
	// Elected is who has won the round, nil while nobody has.
	Elected *Event `json:"elected,omitempty"`
	// Completed is who was the first to record a completion, nil while nobody has.
	Completed *Event `json:"completed,omitempty"`
}
