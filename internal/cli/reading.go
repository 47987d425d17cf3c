package cli

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// What a record says, and what watching it shows.
const (
	stateHeld     = "held"     // it names a leader; whether that one is alive, it cannot say
	stateResigned = "resigned" // nobody leads
	stateAbsent   = "absent"   // nobody has ever led
	stateBad      = "bad"      // it is not a leader record
	stateAlive    = "alive"    // a leader, which renewed while it was watched
	stateExpired  = "expired"  // its leader did not renew for the whole lease
	stateFailed   = "failed"   // it could not be read
)

// reading is a leader record as the commands show it. Its JSON form is part of the command's
// interface.
type reading struct {
	State      string `json:"state"`
	Key        string `json:"key"`
	LeaderID   string `json:"leaderID,omitempty"`
	LeaderAddr string `json:"leaderAddr,omitempty"`
	// LastLeaderID and LastLeaderAddr are of a leader that has resigned: it does not lead any more.
	LastLeaderID   string     `json:"lastLeaderID,omitempty"`
	LastLeaderAddr string     `json:"lastLeaderAddr,omitempty"`
	Term           int64      `json:"term"`
	LeaseMillis    int64      `json:"leaseMillis,omitempty"`
	LastUpdated    *time.Time `json:"lastUpdated,omitempty"`
	// AgeMillis is LastUpdated's distance from this machine's wall clock: for information only.
	AgeMillis *int64 `json:"ageMillis,omitempty"`
	Successor string `json:"successor,omitempty"`
	// QuorumLost is of a leader that has resigned for want of members.
	QuorumLost bool   `json:"quorumLost,omitempty"`
	Session    string `json:"session,omitempty"`
	Nonce      string `json:"nonce,omitempty"`
	// Sequence counts the writes of the session; 0 in records of software that does not count them.
	Sequence int64  `json:"sequence,omitempty"`
	ETag     string `json:"etag,omitempty"`
	Error    string `json:"error,omitempty"`
}

// read reads the record. The error is also in the reading, but for a record that is absent or bad,
// which is an answer and no error.
func read(ctx context.Context, storage s3lect.Storage, key string) (reading, error) {
	record, err := s3lect.ReadLeaderRecord(ctx, storage, key)
	switch {
	case errors.Is(err, s3lect.ErrStorageNotFound):
		return reading{State: stateAbsent, Key: key}, nil
	case errors.Is(err, s3lect.ErrBadRecord):
		return reading{State: stateBad, Key: key, Error: err.Error()}, nil
	case err != nil:
		return reading{State: stateFailed, Key: key, Error: err.Error()}, err
	}
	return readingOf(record, key, time.Now()), nil
}

func readingOf(record *s3lect.LeaderRecord, key string, now time.Time) reading {
	r := reading{
		State: stateHeld, Key: key,
		LeaderID: record.LeaderID, LeaderAddr: record.LeaderAddr,
		Term: record.Term, LeaseMillis: record.LeaseMillis,
		Successor: record.Successor, Session: record.Session, Nonce: record.Nonce,
		Sequence: record.Sequence, ETag: record.Metadata.ETag,
	}
	if record.Resigned() {
		r.State, r.QuorumLost = stateResigned, record.QuorumLost
		r.LastLeaderID, r.LeaderID = r.LeaderID, ""
		r.LastLeaderAddr, r.LeaderAddr = r.LeaderAddr, ""
		return r
	}
	age := now.Sub(record.LastUpdated).Milliseconds()
	r.LastUpdated, r.AgeMillis = &record.LastUpdated, &age
	return r
}

// lease is for how long the record's leader may fall silent; that of older software has none.
func (r reading) lease(otherwise time.Duration) time.Duration {
	if r.LeaseMillis > 0 {
		return time.Duration(r.LeaseMillis) * time.Millisecond
	}
	return otherwise
}

// version tells two versions of the object apart, as the protocol does.
func (r reading) version() [2]string { return [2]string{r.ETag, r.Nonce} }

// leadership tells apart what concerns everybody: all but renewals.
func (r reading) leadership() reading {
	r.LastUpdated, r.AgeMillis, r.Nonce, r.Sequence, r.ETag = nil, nil, "", 0, ""
	return r
}

// pause waits between two reads.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
