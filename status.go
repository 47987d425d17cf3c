package s3lect

import "time"

// LeaderRecord is the object on storage, readable by everything that reads its first three fields.
type LeaderRecord struct {
	// LeaderID and LeaderAddr are the holder's ElectorConfig.ServerID and ServerAddr.
	LeaderID   string `json:"leaderID,omitempty"`
	LeaderAddr string `json:"leaderAddr,omitempty"`
	// LastUpdated is the holder's wall clock when it wrote the record, for people to read; the
	// protocol never compares it. The zero time means that the holder has resigned.
	LastUpdated time.Time `json:"lastUpdated"`

	// Term is the fencing token: it grows by one with each change of leadership and never resets.
	// Records of software that knows no terms have 0.
	Term int64 `json:"term,omitempty"`
	// Session is random, one per start of an elector; it tells two incarnations of one LeaderID apart.
	Session string `json:"session,omitempty"`
	// Nonce is random and fresh for each write, so that no two versions have equal bytes.
	Nonce string `json:"nonce,omitempty"`
	// Sequence counts the writes of one session, so that of two versions the older can be told. 0 in
	// records of software without it.
	Sequence int64 `json:"sequence,omitempty"`
	// LeaseMillis is for how long, in milliseconds, the holder may hold without another write.
	LeaseMillis int64 `json:"leaseMillis,omitempty"`
	// Successor is the ServerID to which the holder handed over, if it named one.
	Successor string `json:"successor,omitempty"`
	// QuorumLost says that the holder has resigned for want of active members.
	QuorumLost bool `json:"quorumLost,omitempty"`

	Metadata LeaderRecordMetadata `json:"-"`
}

// LeaderRecordMetadata is what the storage knows about the record.
type LeaderRecordMetadata struct {
	// ETag is the version of the object, as the storage spells it.
	ETag string
}

// Resigned reports whether the record says that nobody leads.
func (r *LeaderRecord) Resigned() bool { return r.LastUpdated.IsZero() }

// LeadershipStatus is what an elector knows at one moment. Times are this machine's wall clock.
type LeadershipStatus struct {
	// ServerID and LockfilePath are the elector's own, from its configuration.
	ServerID     string `json:"serverID"`
	LockfilePath string `json:"lockfilePath"`
	// IsLeader is whether this elector leads.
	IsLeader bool `json:"isLeader"`
	// EndReason says why this elector's last leadership has ended; none while it leads, and before
	// the first.
	EndReason EndReason `json:"endReason,omitempty"`
	// LeaderID and LeaderAddr name the leader this elector last saw; empty while there is none.
	LeaderID   string `json:"leaderID"`
	LeaderAddr string `json:"leaderAddr"`
	// LeaderLastSeen is when this elector last saw a new version of the leader's record, on the
	// storage or by the leader's own word; for the leader, when its last confirmed renewal was sent.
	LeaderLastSeen time.Time `json:"leaderLastSeen"`
	// LastElectionTime is when the last check (a read, a question to the leader or a claim, whatever
	// its result) completed.
	LastElectionTime time.Time `json:"lastElectionTime"`
	// ConsecutiveFails counts the checks that failed since the last one that did not.
	ConsecutiveFails int `json:"consecutiveFails"`

	// PeerLastSeen is when the leader last answered this elector in peer mode with a word that
	// counts; the zero time if it never did.
	PeerLastSeen time.Time `json:"peerLastSeen"`
	// PeerError says why the last question to the leader was of no use, so that the storage is read
	// instead; empty when it was of use, when the leader has said, once, that it leads no longer, and
	// outside of peer mode.
	PeerError string `json:"peerError,omitempty"`

	// EndedTerm is the last leadership of this elector, whose end EndReason gives the reason of; 0
	// while it leads, and before the first.
	EndedTerm int64 `json:"endedTerm,omitempty"`

	// ActiveObservers is how many members this elector knew to be active, itself included, when it
	// last looked, and QuorumSize how many it needs. 0 where it is no observer.
	ActiveObservers int `json:"activeObservers,omitempty"`
	QuorumSize      int `json:"quorumSize,omitempty"`

	// Term is the term of the record last seen, resigned or not.
	Term int64 `json:"term"`
	// LastError says what is wrong, and is empty when the last check succeeded.
	LastError string `json:"lastError,omitempty"`
	// Err is LastError for errors.Is and errors.As: ErrBadRecord, ErrDuplicateServerID,
	// ErrStorageThrottled, ErrQuorumLost, or what the storage has said.
	Err error `json:"-"`
}
