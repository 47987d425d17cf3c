package roundscheck

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/seed-6dc909bb/s3lect/rounds"
)

// round is what a round is at one moment.
type round struct {
	elected, completed rounds.Candidate
	// untold is an anonymous election of which nobody has been told. A later call from the same
	// address may stand in for the one that won.
	untold bool
}

func (r round) version() (v int64) {
	if r.elected != nobody {
		v++
	}
	if r.completed != nobody {
		v++
	}
	return v
}

func (r round) String() string {
	return fmt.Sprintf("elected %s, completed %s", describe(r.elected), describe(r.completed))
}

// model is a round as candidates are promised it, one call after the other.
var model = porcupine.Model{
	Init: func() any { return round{} },
	Step: func(state, input, output any) (bool, any) {
		c, ok := input.(*Call)
		before, isRound := state.(round)
		out, isOutput := output.(Output)
		if !ok || !isRound || !isOutput {
			return false, state
		}
		after, right := before.step(c, out)
		return right && after.shows(out), after
	},
	DescribeState: func(state any) string { return fmt.Sprint(state) },
}

// step is what a call makes of the round, and whether the answer is right.
func (r round) step(c *Call, out Output) (after round, right bool) {
	switch c.operation {
	case Elect:
		return r.elect(c.by, out.Answer)
	case Complete:
		return r.complete(c.by, out.Answer)
	default:
		return r, out.Answer == Told || out.Answer == Unknown
	}
}

func (r round) elect(by rounds.Candidate, a Answer) (after round, right bool) {
	wins := r.elected == nobody
	if wins {
		r.elected, r.untold = by, by.ID == ""
	}
	switch a {
	case Unknown:
		return r, true
	case Won:
		right = isSame(r.elected, by) && (by.ID != "" || r.untold)
		r.untold = false
		return r, right
	case Lost:
		// Somebody else behind the same address may be meant.
		return r, !wins && (by.ID == "" || !isSame(r.elected, by))
	default:
		return r, false
	}
}

func (r round) complete(by rounds.Candidate, a Answer) (after round, right bool) {
	may := isSame(r.elected, by)
	if by.ID == "" {
		may = r.elected.ID == "" // also if nobody is
	}
	again := isSame(r.completed, by)
	others := !again && r.completed != nobody
	if may && r.completed == nobody {
		r.completed = by
	}
	switch a {
	case Unknown:
		return r, true
	case Recorded:
		return r, again || may && !others
	case NotElected:
		return r, !may && !again
	case AlreadyCompleted:
		return r, others
	case Refused:
		return r, !may && !again || others
	default:
		return r, false
	}
}

// shows reports whether what the answer shows is so.
func (r round) shows(out Output) bool {
	return (out.Elected == nil || out.Elected.is(r.elected)) &&
		(out.Completed == nil || out.Completed.is(r.completed)) &&
		(out.Version == nil || *out.Version == r.version())
}

// isSame takes anonymous candidates with one address for one.
func isSame(a, b rounds.Candidate) bool {
	if a == nobody || b == nobody || a.ID != b.ID {
		return false
	}
	return a.ID != "" || a.Address == b.Address
}
