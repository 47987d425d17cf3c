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
}

// beliefs finds the beliefs in one process's samples. thaws are the moments at which that process
// was thawed.
func beliefs(samples []sample, thaws []time.Duration) []belief {
	var found []belief
	var open *belief
	for i, s := range samples {
		if !s.Leader {
			if open != nil && !slices.ContainsFunc(thaws, between(open.To, s.At)) {
				open.Latest = s.At
			}
			open = nil
			continue
		}
		end := s.At + instantOfBelief
		if open == nil || open.Term != s.Term || slices.ContainsFunc(thaws, between(open.To, s.At)) {
			found = append(found, belief{Term: s.Term, From: s.At, Earliest: s.At})
			open = &found[len(found)-1]
			if i > 0 && !samples[i-1].Leader && !slices.ContainsFunc(thaws, between(samples[i-1].At, s.At)) {
				open.Earliest = samples[i-1].At
			}
		}
		open.To, open.Latest = end, end
	}
	return found
}

func between(from, to time.Duration) func(time.Duration) bool {
	return func(t time.Duration) bool { return from < t && t <= to }
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
	widest := slices.Clone(all)
	for i, b := range widest {
		widest[i].From, widest[i].To = b.Earliest, b.Latest
	}
	return together(widest)
}
