package sim

import (
	"encoding/json"
	"time"
)

// record is the leader record as it is on the wire. The simulation reads it by itself, so that a
// mistake in the project's own decoder is not shared by its judge.
type record struct {
	LeaderID    string    `json:"leaderID,omitempty"`
	LeaderAddr  string    `json:"leaderAddr,omitempty"`
	LastUpdated time.Time `json:"lastUpdated"`
	Term        int64     `json:"term,omitempty"`
	Session     string    `json:"session,omitempty"`
	Nonce       string    `json:"nonce,omitempty"`
	LeaseMillis int64     `json:"leaseMillis,omitempty"`
	Successor   string    `json:"successor,omitempty"`
	Sequence    int64     `json:"sequence,omitempty"`
	QuorumLost  bool      `json:"quorumLost,omitempty"`
}

func (r *record) resigned() bool       { return r.LastUpdated.IsZero() }
func (r *record) lease() time.Duration { return time.Duration(r.LeaseMillis) * time.Millisecond }

// sameHolder reports whether both are of one leadership.
func (r *record) sameHolder(o *record) bool {
	return r != nil && o != nil && r.Session == o.Session && r.Term == o.Term
}

// parse returns nil for what is no leader record of this software.
func parse(data []byte) *record {
	var r record
	if json.Unmarshal(data, &r) != nil || r.Term < 0 || r.LeaseMillis < 0 {
		return nil
	}
	return &r
}

func (r *record) encode() []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return data
}
