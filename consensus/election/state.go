package election

import "time"

// State is what a node does in the election.
type State string

// The states.
const (
	// StateFollower: the node follows a leader, or waits for one. Nodes with NoVote are never anything else.
	StateFollower State = "follower"
	// StateCandidate: the node stands for election, or asks whether it would be elected, or has been elected and has not yet, or
	// not any more, heard from a majority of the voters in time to be sure that it leads alone.
	StateCandidate State = "candidate"
	// StateLeader: the node leads, and no other does.
	StateLeader State = "leader"
	// StateStopped: the election does not run.
	StateStopped State = "stopped"
	// StateUnknown is said of peers that have not been heard from.
	StateUnknown State = "unknown"
)

func (s State) String() string { return string(s) }

// Transition is a change of this node's state.
type Transition struct {
	// From and To are the states. States that lasted for less than an instant may have been left out.
	From, To State
	// Term is the term of the leadership that begins or ends, where one does, otherwise the current one. A term is led by
	// one node at most, terms only grow: it can be handed to a resource as a fencing token.
	Term uint64
	// Leader is the node that leads, as far as this one knows; with an empty ID if it knows of none.
	Leader Node
	// When the change was noticed.
	When time.Time
}

// PeerState is a member of the fleet as this node sees it.
type PeerState struct {
	Node
	// State and Term are those it has last told; StateUnknown if it is not healthy.
	State State
	Term  uint64
	// Healthy says that it has been heard from within three times ElectionTimeout.
	Healthy bool
	// LastContact is when it last answered or asked something; zero if it never did.
	LastContact time.Time
}

// Timing is what is in force of the times that were configured.
type Timing struct {
	// HeartbeatMin and HeartbeatMax are the least and the most time between two heartbeats of a leader.
	HeartbeatMin, HeartbeatMax time.Duration
	// ElectionMin and ElectionMax are the least and the most time that a node waits before it looks whether it has a leader.
	ElectionMin, ElectionMax time.Duration
	// Lease is how long IsLeader is true after the sending of the heartbeats that a majority answered. It is four fifths of
	// ElectionMin: clocks that differ by 5 % leave a tenth of ElectionMin in which work can end before anybody else can lead.
	Lease time.Duration
	// Silence is how long a node that has been started grants no votes.
	Silence time.Duration
}

func timingOf(electionTimeout time.Duration) Timing {
	return Timing{
		HeartbeatMin: electionTimeout / 10,
		HeartbeatMax: electionTimeout / 5,
		ElectionMin:  electionTimeout,
		ElectionMax:  2 * electionTimeout,
		Lease:        electionTimeout / 5 * 4,
		Silence:      electionTimeout,
	}
}
