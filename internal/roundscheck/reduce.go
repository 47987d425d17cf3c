package roundscheck

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// The checker tries subsets of what happens at the same time, and a call of unknown outcome happens
// at the same time as everything after it. A history is made small before, without a difference in
// what comes out: a round changes twice at most.

// histories are those of which one must have an order: in each, at most one call of unknown outcome
// has elected, and one has completed. No more than one can have an effect.
func histories(calls []Call) (all [][]porcupine.Operation) {
	var known []porcupine.Operation
	elects, completes := []*Call{nil}, []*Call{nil}
	for i := range calls {
		c := &calls[i]
		switch {
		case c.ended > 0 && c.output.Answer != Unknown:
			for _, m := range moments(*c) {
				known = append(known, porcupine.Operation{ClientId: m.client, Input: m, Output: m.output, Call: m.began, Return: m.ended})
			}
		case c.operation == Elect:
			elects = append(elects, c)
		case c.operation == Complete:
			completes = append(completes, c)
		}
	}
	known = representatives(known)
	for _, elect := range possible(elects, known, func(o Output) *Seen { return o.Elected }) {
		for _, complete := range possible(completes, known, func(o Output) *Seen { return o.Completed }) {
			all = append(all, append(endless(elect, complete), known...))
		}
	}
	return all
}

// endless are calls that may take effect at any moment since they began.
func endless(calls ...*Call) (operations []porcupine.Operation) {
	for _, c := range calls {
		if c != nil {
			operations = append(operations, porcupine.Operation{ClientId: c.client, Input: c, Output: Output{}, Call: c.began, Return: math.MaxInt64})
		}
	}
	return operations
}

// possible leaves out calls by others than the one whom an answer shows, and the second call by the
// same one: what that may do, the first may do as well, at that moment or before.
func possible(calls []*Call, known []porcupine.Operation, shown func(Output) *Seen) (left []*Call) {
	kept := map[string]bool{}
	for _, c := range calls {
		if c == nil {
			left = append(left, c)
			continue
		}
		contradicted := false
		for _, o := range known {
			out, isOutput := o.Output.(Output)
			contradicted = contradicted || isOutput && shown(out) != nil && !shown(out).is(nobody) && !shown(out).is(c.by)
		}
		if by := describe(c.by); !contradicted && !kept[by] {
			kept[by] = true
			left = append(left, c)
		}
	}
	return left
}

// moments are what a call consists of. An election or a completion takes effect at one moment; if
// its reply is lost it is found by looking again, and so the answer shows the round of a later one.
// What it shows of its own kind never changes any more, and belongs to both.
func moments(c Call) []*Call {
	if c.output.Version == nil || c.operation == Elected || c.operation == Completed {
		return []*Call{&c}
	}
	effect, look := c, c
	effect.output.Version = nil
	if look.operation, look.output.Answer = Elected, Told; c.operation == Elect {
		effect.output.Completed = nil
	} else {
		look.operation, effect.output.Elected = Completed, nil
	}
	return []*Call{&effect, &look}
}

// representatives leaves out repetitions of answers that are right in the same states and change
// nothing. A round passes through its states in one direction, so that it is in these states for one
// span of time. If that began before the first of the answers had come, and ended after the last of the
// questions was asked, it was there at a moment of all of them.
func representatives(operations []porcupine.Operation) (left []porcupine.Operation) {
	first, last := map[string]int{}, map[string]int{}
	for i, o := range operations {
		class := classOf(o)
		if f, known := first[class]; !known || o.Return < operations[f].Return {
			first[class] = i
		}
		if l, known := last[class]; !known || o.Call > operations[l].Call {
			last[class] = i
		}
	}
	for i, o := range operations {
		if class := classOf(o); class == "" || first[class] == i || last[class] == i {
			left = append(left, o)
		}
	}
	return left
}

// classOf names the states in which an answer is right; it is empty for one that can go with a change.
func classOf(o porcupine.Operation) string {
	c, isCall := o.Input.(*Call)
	if !isCall || c.output.Answer == Won || c.output.Answer == Recorded {
		return ""
	}
	by := describe(c.by)
	if c.output.Answer == Told {
		by = ""
	}
	return fmt.Sprint(by, "|", c.operation == Elect, "|", c.output)
}
