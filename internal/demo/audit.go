package demo

import (
	"cmp"
	"slices"
	"time"
)

// instantOfBelief is how long a yes lasts by itself, so that a single one has a length.
const instantOfBelief = time.Microsecond

// belief is a time during which one process was seen to believe that it led. The package
// documentation defines it.
type belief struct {
	Process  string // ID and start number
	ID       string
	Term     int64
	From, To time.Duration // clock(): the first yes, and the end of the last one

	// Earliest and Latest bound the leadership from outside: the noes around it, where there are.
	Earliest, Latest time.Duration
	// Thawed is the time from a thaw after the last yes to the no that followed: in it the process
	// may have believed what it did when it was frozen.
	Thawed span
}

// beliefs finds the beliefs in one process's samples. thaws are the moments at which that process
// was thawed.
func beliefs(samples []sample, thaws []time.Duration) []belief {
	var found []belief
	var open *belief
	var before sample
	for _, s := range samples {
		thaw := latest(thaws, before.At, s.At)
		switch {
		case s.Leader:
			if open == nil || open.Term != s.Term || thaw != 0 {
				earliest := s.At
				if thaw != 0 {
					earliest = thaw
				} else if before.At != 0 && !before.Leader {
					earliest = before.At
				}
				found = append(found, belief{Term: s.Term, From: s.At, Earliest: earliest})
				open = &found[len(found)-1]
			}
			open.To = s.At + instantOfBelief
			open.Latest = open.To
		case open != nil && thaw != 0:
			open.Thawed = span{From: thaw, To: s.At}
			open = nil
		case open != nil:
			open.Latest = s.At
			open = nil
		}
		before = s
	}
	return found
}

// latest returns the last of some moments that lies after from and not after to, or 0.
func latest(moments []time.Duration, from, to time.Duration) (last time.Duration) {
	for _, m := range moments {
		if from < m && m <= to {
			last = max(last, m)
		}
	}
	return last
}

// overlap is a time during which more than one process believed that it led.
type overlap struct {
	From, To  time.Duration
	Processes []string
}

// overlaps finds every stretch of time that beliefs of more than one process cover. Beliefs that
// merely touch do not overlap.
func overlaps(all []belief) []overlap {
	type edge struct {
		at   time.Duration
		open int // +1 or -1
		of   string
	}
	var edges []edge
	for _, b := range all {
		edges = append(edges, edge{b.From, +1, b.Process}, edge{b.To, -1, b.Process})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })

	var found []overlap
	believing := map[string]int{}
	for i, e := range edges {
		if believing[e.of] += e.open; believing[e.of] == 0 {
			delete(believing, e.of)
		}
		if len(believing) < 2 || edges[i+1].at == e.at {
			continue
		}
		o := overlap{From: e.at, To: edges[i+1].at}
		for process := range believing {
			o.Processes = append(o.Processes, process)
		}
		slices.Sort(o.Processes)
		found = append(found, o)
	}
	return found
}

// together is for how long more than one process believed that it led.
func together(all []belief) (sum time.Duration) {
	for _, o := range overlaps(all) {
		sum += o.To - o.From
	}
	return sum
}

// atWorst is what together could be at most, given that a leadership may have begun any time after
// the last no before it and ended any time before the first no after it.
func atWorst(all []belief) time.Duration {
	var widest []belief
	for _, b := range all {
		widest = append(widest, belief{Process: b.Process, From: b.Earliest, To: b.Latest})
		if b.Thawed.To != 0 {
			widest = append(widest, belief{Process: b.Process, From: b.Thawed.From, To: b.Thawed.To})
		}
	}
	return together(widest)
}
