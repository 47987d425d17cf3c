package admin

import (
	"encoding/json"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// What requests and answers consist of, as JSON. Durations are whole nanoseconds.

// Health is the answer of GET /health.
type Health struct {
	// Status is "ok" while the node runs, otherwise "stopped".
	Status string `json:"status"`
	// Ready says that the node leads, or hears of the one that does.
	Ready bool `json:"ready"`
	// Reason says why it is not ready.
	Reason string         `json:"reason,omitempty"`
	NodeID string         `json:"nodeID"`
	Role   consensus.Role `json:"role"`
	Leader string         `json:"leader,omitempty"` // ID; empty if none is known
}

// Values of Health.Status.
const (
	StatusOK      = "ok"
	StatusStopped = "stopped"
)

// DetailedHealth is the answer of GET /health/detailed.
type DetailedHealth struct {
	Health

	Checks []Check `json:"checks"`
}

// Check is one of the things that DetailedHealth looks at.
type Check struct {
	Name   string `json:"name"`   // "running", "storage", "leader", "quorum", "applied" or "snapshot"
	Result string `json:"result"` // one of the Check constants
	Reason string `json:"reason"`
}

// Results of a Check.
const (
	CheckPassed  = "pass"
	CheckWarned  = "warn"    // somebody should look at it, and the node serves
	CheckFailed  = "fail"    // the node does not serve
	CheckUnknown = "unknown" // this node cannot tell
)

// Status is the answer of GET /status.
type Status struct {
	Version  string                `json:"version"`
	Go       string                `json:"go"` // version of the Go toolchain
	Role     consensus.Role        `json:"role"`
	IsLeader bool                  `json:"isLeader"`
	Cluster  consensus.ClusterInfo `json:"cluster"`
	Stats    consensus.Stats       `json:"stats"`
	Timing   Timing                `json:"timing"`
}

// Timing is [consensus.Timing] as JSON.
type Timing struct {
	HeartbeatMin time.Duration `json:"heartbeatMin"`
	HeartbeatMax time.Duration `json:"heartbeatMax"`
	ElectionMin  time.Duration `json:"electionMin"`
	ElectionMax  time.Duration `json:"electionMax"`
	Lease        time.Duration `json:"lease"`
}

// Leader is the answer of GET /leader, and of requests that change who leads.
type Leader struct {
	ID      string `json:"leader,omitempty"`        // empty if none is known, after POST /leadership/stepdown
	Address string `json:"leaderAddress,omitempty"` // host and port of its transport
	API     string `json:"leaderAPI,omitempty"`     // URL of its API, if it has said so
	Term    uint64 `json:"term"`
}

// Nodes is the answer of GET /nodes, and of requests that change who is a member.
type Nodes struct {
	Nodes []consensus.NodeInfo `json:"nodes"`
}

// Snapshot is the answer of POST /snapshot.
type Snapshot struct {
	Index uint64 `json:"index"` // of the last entry in it
}

// Applied is the answer of POST /apply.
type Applied struct {
	Index uint64 `json:"index"` // of the entry in the log
	Term  uint64 `json:"term"`
	// Value is what the state machine has answered; null if that is nothing.
	Value json.RawMessage `json:"value"`
	// ValueError says why Value is null though the machine has answered something. The command has been applied.
	ValueError string `json:"valueError,omitempty"`
}

// Answer is the answer of POST /read.
type Answer struct {
	Value json.RawMessage `json:"value"`
}

// Failure is every answer that is not a success, but for those of /health and /health/detailed.
type Failure struct {
	Text string `json:"error"` // for people
	Code string `json:"code"`  // for programs: one of the Code constants
	// Retryable says that nothing has been done, so that the same request may be sent again, here or to the leader.
	Retryable bool `json:"retryable"`
	// UnknownOutcome says that it may have been done, or may be done later. See consensus.UnknownOutcomeError.
	UnknownOutcome bool `json:"unknownOutcome"`

	Leader        string `json:"leader,omitempty"`        // ID of the leader
	LeaderAddress string `json:"leaderAddress,omitempty"` // host and port of its transport
	LeaderAPI     string `json:"leaderAPI,omitempty"`     // URL of its API, if it has said so
	Index         uint64 `json:"index,omitempty"`         // of the entry that the state machine has refused
}
