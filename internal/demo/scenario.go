package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// stage is what the scenario plays on: the cluster, or a fake of it.
type stage interface {
	// announce says what comes next.
	announce(title, why string)
	// begin starts every member.
	begin() error
	// leader waits until a healthy member leads, other than the one named, and returns it.
	leader(ctx context.Context, except string) (string, error)
	// leaderless waits until no healthy member leads.
	leaderless(ctx context.Context) error
	// follower returns a healthy member that does not lead.
	follower(ctx context.Context) (string, error)
	// strike does a fault to a member. It returns errNotStruck if the member did not lead any more.
	strike(ctx context.Context, f faultKind, id string) error
	// mend undoes a fault.
	mend(ctx context.Context, f faultKind, id string) error
	// measure counts the requests to storage during a while.
	measure(ctx context.Context, d time.Duration) error
	// pause lets people read.
	pause(ctx context.Context, d time.Duration) error
	// note tells something in passing.
	note(text string)
}

var errNotStruck = errors.New("it does not lead any more")

// faultKind is something that ends a leadership.
type faultKind int

const (
	kill faultKind = iota
	freezing
	resign
	transfer
	cut
)

// fault describes a kind of fault, in the words of the display and of the result.
type fault struct {
	kind       faultKind
	title, why string
	name       string // in the JSON result
	undo       string // likewise, of undoing it
	asked, how string // told when it is done
	done       string // told in the report
	mended     string // what undoing it is called; empty if there is nothing to undo
	mark, end  rune   // in the timeline
}

var faults = []fault{
	{
		kind: kill, name: "kill", undo: "restart", asked: "killed", done: "killed", how: "SIGKILL", mended: "started again", mark: 'K', end: 'S',
		title: "Kill the leader",
		why:   "It cannot say good-bye. The others wait until its lease has run out, then one of them leads.",
	},
	{
		kind: freezing, name: "freeze", undo: "thaw", asked: "frozen", done: "frozen", how: "SIGSTOP, SIGCONT", mended: "thawed", mark: 'F', end: 'T',
		title: "Freeze the leader, thaw it later",
		why:   "Frozen, it cannot notice that another takes over. Thawed, it must know at once that it no longer leads.",
	},
	{
		kind: resign, name: "resign", asked: "asked to step down", done: "stepped down", how: "Resign", mark: 'R',
		title: "Ask the leader to step down",
		why:   "It releases the record, so nobody has to wait for a lease to run out.",
	},
	{
		kind: transfer, name: "transfer", asked: "asked to hand over to", done: "handed over to", how: "TransferLeadership", mark: 'H',
		title: "Have the leader hand over to another",
		why:   "It names its successor; the rest hold off.",
	},
	{
		kind: cut, name: "cut", undo: "heal", asked: "cut off from storage", done: "cut off from storage", how: "requests hang", mended: "connected again", mark: 'C', end: 'U',
		title: "Cut the leader off from storage",
		why:   "It cannot renew, nor learn what the others do. It ends its own leadership before another may begin.",
	},
}

// play runs the scenario. A beat is the time people need to take something in.
func play(ctx context.Context, s stage, beat time.Duration) error {
	steps := possible()
	n, of := 1, len(steps)+1
	announce := func(title, why string) {
		s.announce(fmt.Sprintf("%d of %d: %s", n, of, title), why)
		n++
	}
	announce("Start, and elect a leader",
		"Every process tries to write the same file. Storage lets exactly one of them succeed.")
	if err := s.begin(); err != nil {
		return err
	}
	if _, err := s.leader(ctx, ""); err != nil {
		return err
	}
	if err := s.pause(ctx, beat); err != nil {
		return err
	}
	for _, f := range steps {
		announce(f.title, f.why)
		if err := playFault(ctx, s, f, beat); err != nil {
			return err
		}
	}
	if !canFreeze {
		s.note("freezing the leader was left out: this system has no signal that stops a process")
	}
	return nil
}

// handoffs are what the comparison does to leaders: twice each what takes no lease, because how long
// the others take to notice is a matter of chance.
var handoffs = []faultKind{resign, transfer, resign, transfer, kill}

// Lengths of the comparison, in leases.
const (
	settling  = 2 // until followers rely on a new leader
	measuring = 3 // after which followers that ask the leader read the storage once
)

// playHandoffs runs the scenario by which two ways of following a leader are compared.
func playHandoffs(ctx context.Context, s stage, lease time.Duration) error {
	beat := lease / 3
	n, of := 1, len(handoffs)+2
	announce := func(title, why string) {
		s.announce(fmt.Sprintf("%d of %d: %s", n, of, title), why)
		n++
	}
	announce("Start, and elect a leader", "The first of them to write the file leads. The others settle down to follow it.")
	if err := s.begin(); err != nil {
		return err
	}
	if _, err := s.leader(ctx, ""); err != nil {
		return err
	}
	if err := s.pause(ctx, settling*lease); err != nil {
		return err
	}
	announce("Count the requests to storage while nothing happens", "The leader renews its lease. The others have to know whether it still does.")
	if err := s.measure(ctx, measuring*lease); err != nil {
		return err
	}
	for _, kind := range handoffs {
		announce(faults[kind].title, faults[kind].why)
		if err := playFault(ctx, s, faults[kind], beat); err != nil {
			return err
		}
	}
	return nil
}

// possible returns the faults that this system can do.
func possible() []fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.kind == freezing && !canFreeze })
}

func playFault(ctx context.Context, s stage, f fault, beat time.Duration) error {
	if err := s.pause(ctx, beat/3); err != nil {
		return err
	}
	id, err := strikeLeader(ctx, s, f.kind)
	if err != nil {
		return err
	}
	if _, err := s.leader(ctx, id); err != nil {
		return err
	}
	if err := s.pause(ctx, beat); err != nil {
		return err
	}
	if f.mended == "" {
		return nil
	}
	if err := s.mend(ctx, f.kind, id); err != nil {
		return err
	}
	return s.pause(ctx, beat*2/3)
}

// strikeLeader does a fault to whoever leads. On a machine that is too busy to renew in time, the
// leader can change under its hands; then the next one gets it.
func strikeLeader(ctx context.Context, s stage, f faultKind) (string, error) {
	for range 5 {
		id, err := s.leader(ctx, "")
		if err != nil {
			return "", err
		}
		if err := s.strike(ctx, f, id); !errors.Is(err, errNotStruck) {
			return id, err
		}
	}
	return "", fmt.Errorf("%s: no leader obeyed, five times in a row", faults[f].title)
}
