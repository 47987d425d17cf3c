package consensus

import "time"

// Role is what a node does in its cluster.
type Role string

// The roles.
const (
	RoleFollower  Role = "follower"
	RoleCandidate Role = "candidate" // asks for votes, or asks whether it would get them
	RoleLeader    Role = "leader"
	RoleNonVoter  Role = "nonvoter" // follows and has no vote
	RoleStopped   Role = "stopped"  // not started, or stopped
)

func (r Role) String() string { return string(r) }

// PeerConfig is a node of the cluster as it is configured.
type PeerConfig struct {
	ID       string `json:"id" yaml:"id"`
	Address  string `json:"address" yaml:"address"` // host name or IP address
	Port     int    `json:"port" yaml:"port"`
	NonVoter bool   `json:"nonVoter,omitempty" yaml:"nonVoter,omitempty"`
}

// NodeInfo is a member as one node sees it.
type NodeInfo struct {
	ID      string `json:"id"`
	Address string `json:"address"`       // host and port of its transport
	API     string `json:"api,omitempty"` // where its API is, if it has led and said so; see WithAPIAddress
	Role    Role   `json:"role"`
	Voter   bool   `json:"voter"`
	// Healthy says that the member has answered, or for a follower looking at its leader has been heard of, within the
	// largest election time-out. A follower knows that of its leader and of itself only.
	Healthy bool `json:"healthy"`
	// LastContact is how long ago that was; negative if it is not known.
	LastContact time.Duration `json:"lastContact"`
}

// ClusterInfo is the cluster as one node sees it.
type ClusterInfo struct {
	ClusterID    string     `json:"clusterID"`
	NodeID       string     `json:"nodeID"`
	Leader       string     `json:"leader,omitempty"` // ID; empty if none is known
	Term         uint64     `json:"term"`
	CommitIndex  uint64     `json:"commitIndex"`
	Nodes        []NodeInfo `json:"nodes"` // in the order of the IDs
	ClusterSize  int        `json:"clusterSize"`
	HealthyNodes int        `json:"healthyNodes"`
}

// Stats are a node's counters since its start and the ends of its log.
type Stats struct {
	Term            uint64        `json:"term"`
	CommitIndex     uint64        `json:"commitIndex"`
	LastApplied     uint64        `json:"lastApplied"` // by the state machine, not merely queued for it
	LogSize         uint64        `json:"logSize"`     // entries in the log
	SnapshotIndex   uint64        `json:"snapshotIndex"`
	AppliedOps      uint64        `json:"appliedOps"`      // commands the state machine has applied
	FailedOps       uint64        `json:"failedOps"`       // calls of Apply at this node that ended in an error
	LeaderElections uint64        `json:"leaderElections"` // that this node has won
	AvgApplyLatency time.Duration `json:"avgApplyLatency"` // mean of the calls of Apply at this node that succeeded
}
