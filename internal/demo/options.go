package demo

import (
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Limits and defaults of [Options].
const (
	DefaultMembers = 5
	DefaultLease   = 3 * time.Second
	// QuorumMembers is the default for the demo of a quorum: the fewest of which one can be spared.
	QuorumMembers = 3

	minMembers, maxMembers = 3, 9
	minLease, maxLease     = 500 * time.Millisecond, 30 * time.Second
)

// memberNames are easy to tell apart, also by their first letters.
var memberNames = [maxMembers]string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"}

// Options say how the demo is to be.
type Options struct {
	Members int           // processes, 3 to 9
	Lease   time.Duration // 500ms to 30s
	Plain   bool          // a line an event, also on a terminal
	JSON    bool          // the result as JSON on Out, the events on Err
	Keep    bool          // leave the directory behind
	Peers   bool          // compare reading the storage with asking the leader, instead of all the faults
	Quorum  bool          // let so many members fail that nobody may lead, instead of all the faults

	Out, Err io.Writer

	// member returns the command that runs a member. Defaults to this very program.
	member func(MemberOptions) *exec.Cmd
	// tempDir is where the demo makes its directory. Defaults to the system's.
	tempDir string
}

// Validate names the option that cannot be used.
func (o Options) Validate() error {
	if o.Members < minMembers || o.Members > maxMembers {
		return fmt.Errorf("members %d must be between %d and %d", o.Members, minMembers, maxMembers)
	}
	if o.Lease < minLease || o.Lease > maxLease {
		return fmt.Errorf("lease %v must be between %v and %v", o.Lease, minLease, maxLease)
	}
	if o.Peers && o.Quorum {
		return fmt.Errorf("peers and --quorum are two demos: choose one")
	}
	return nil
}

// quorum is how many members have to be alive for one to lead; 0 where that does not matter.
func (o Options) quorum() int {
	if !o.Quorum {
		return 0
	}
	return o.Members/2 + 1
}

// interval is the time between two renewals, and between two reads of a follower.
func (o Options) interval() time.Duration { return o.Lease / 6 }
