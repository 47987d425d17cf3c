package lease

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	// MaxRecord is the size, in bytes, of the largest object that can be a leader record.
	MaxRecord = 64 << 10
	// MaxTerm is the highest term. Above it JSON readers in other languages lose digits (RFC 8259,
	// section 6), and two terms could look alike.
	MaxTerm = 1<<53 - 1
)

// Record is the leader record: who holds the leadership, in which term, and for how long.
type Record struct {
	LeaderID    string
	LeaderAddr  string
	LastUpdated time.Time     // the holder's wall clock, for people; zero means resigned
	Term        int64         // 0 in records of software that knows no terms
	Session     string        // one per start of an elector
	Nonce       string        // one per write
	Sequence    int64         // counts the writes of one session; 0 in records of software without it
	Lease       time.Duration // whole milliseconds; 0 where the record does not say
	Successor   string        // named by a transfer
	QuorumLost  bool          // resigned for want of active members
}

// precedes reports whether r is an earlier version of the leadership of which o is one.
func (r Record) precedes(o Record) bool {
	return r.Session == o.Session && r.Term == o.Term && r.Sequence < o.Sequence
}

// Resigned reports whether the record says that nobody leads.
func (r Record) Resigned() bool { return r.LastUpdated.IsZero() }

// wire is the JSON form. Pointers tell a field that is absent from one that is zero.
type wire struct {
	LeaderID    string     `json:"leaderID,omitempty"`
	LeaderAddr  string     `json:"leaderAddr,omitempty"`
	LastUpdated *time.Time `json:"lastUpdated"`
	Term        int64      `json:"term,omitempty"`
	Session     string     `json:"session,omitempty"`
	Nonce       string     `json:"nonce,omitempty"`
	Sequence    int64      `json:"sequence,omitempty"`
	LeaseMillis int64      `json:"leaseMillis,omitempty"`
	Successor   string     `json:"successor,omitempty"`
	QuorumLost  bool       `json:"quorumLost,omitempty"`
}

// publication is a record with what its writer knows of others, which no decision rests on.
type publication struct {
	wire

	Observers []Observer `json:"observers,omitempty"`
}

// Observer is a member as a leader publishes it.
type Observer struct {
	ID string `json:"id"`
	// AgeMillis is how long ago, in milliseconds on the writer's clock, its last heartbeat was heard
	// when the record was written.
	AgeMillis int64             `json:"ageMillis"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// Encode returns the record as JSON, with the list that it publishes, if any.
func (r *Record) Encode(observers ...Observer) ([]byte, error) {
	data, err := json.Marshal(publication{wire{
		LeaderID:    r.LeaderID,
		LeaderAddr:  r.LeaderAddr,
		LastUpdated: &r.LastUpdated,
		Term:        r.Term,
		Session:     r.Session,
		Nonce:       r.Nonce,
		Sequence:    r.Sequence,
		LeaseMillis: r.Lease.Milliseconds(),
		Successor:   r.Successor,
		QuorumLost:  r.QuorumLost,
	}, observers})
	if err == nil && len(data) > MaxRecord {
		err = fmt.Errorf("leader record of %d bytes is over the limit of %d", len(data), MaxRecord)
	}
	return data, err
}

// Decode reads a record. The error says, for people, why the bytes are not one. It accepts the
// records of software that writes only the first three fields, and ignores fields it does not know.
func Decode(data []byte) (*Record, error) {
	if len(data) > MaxRecord {
		return nil, fmt.Errorf("it is over %d bytes long", MaxRecord)
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("it is not JSON of the right shape: %w", err)
	}
	switch {
	case w.LastUpdated == nil:
		return nil, fmt.Errorf("it has no lastUpdated")
	case w.LeaderID == "" && !w.LastUpdated.IsZero():
		return nil, fmt.Errorf("it has no leaderID")
	case w.Term < 0 || w.Term >= MaxTerm:
		return nil, fmt.Errorf("its term %d is not between 0 and %d", w.Term, int64(MaxTerm-1))
	case w.Sequence < 0 || w.Sequence > MaxTerm:
		return nil, fmt.Errorf("its sequence %d is not between 0 and %d", w.Sequence, int64(MaxTerm))
	case w.LeaseMillis < 0 || w.LeaseMillis > MaxLease.Milliseconds():
		return nil, fmt.Errorf("its leaseMillis %d is not between 0 and %d", w.LeaseMillis, MaxLease.Milliseconds())
	}
	return &Record{
		LeaderID:    w.LeaderID,
		LeaderAddr:  w.LeaderAddr,
		LastUpdated: *w.LastUpdated,
		Term:        w.Term,
		Session:     w.Session,
		Nonce:       w.Nonce,
		Sequence:    w.Sequence,
		Lease:       time.Duration(w.LeaseMillis) * time.Millisecond,
		Successor:   w.Successor,
		QuorumLost:  w.QuorumLost,
	}, nil
}

// DecodeObservers returns the list that a record publishes; nil if it publishes none.
func DecodeObservers(data []byte) []Observer {
	var p struct {
		Observers []Observer `json:"observers"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return nil // it is for information: a record is one without it
	}
	return p.Observers
}
