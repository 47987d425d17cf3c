package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// Millis is a duration that JSON shows in milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds with three decimals.
func (m Millis) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(m)/float64(time.Millisecond)), nil
}

// Result is what a demo has shown. Moments count from its beginning.
type Result struct {
	Members     []string     `json:"members"`
	Lease       Millis       `json:"leaseMillis"`
	Interval    Millis       `json:"intervalMillis"` // between two renewals, and between two reads
	Duration    Millis       `json:"durationMillis"`
	Faults      []Fault      `json:"faults,omitempty"`
	Leaderships []Leadership `json:"leaderships"`
	Requests    requests     `json:"requests"`
	Steady      *Steady      `json:"steady,omitempty"`

	Clock        string `json:"clock"` // the audit's
	SamplePeriod Millis `json:"samplePeriodMillis"`
	Samples      int64  `json:"samples"`
	// TwoLeaders is for how long two processes were seen to believe that they led. TwoLeadersAtMost
	// adds what could have gone unseen between two samples.
	TwoLeaders       Millis    `json:"twoLeadersMillis"`
	TwoLeadersAtMost Millis    `json:"twoLeadersAtMostMillis"`
	Overlaps         []Overlap `json:"overlaps"`

	Directory string `json:"directory,omitempty"` // where the record, the audit and the logs were kept

	chronicle *chronicle
}

// Steady is what was asked of the storage while nothing happened.
type Steady struct {
	Duration        Millis  `json:"durationMillis"`
	Reads           int64   `json:"reads"`
	Writes          int64   `json:"writes"`
	ReadsPerMinute  float64 `json:"readsPerMinute"`
	WritesPerMinute float64 `json:"writesPerMinute"`
}

// Fault is what was done to a leader, and what came of it.
type Fault struct {
	Fault  string `json:"fault"`
	Member string `json:"member"`
	At     Millis `json:"atMillis"`
	Undone Millis `json:"undoneMillis,omitempty"`

	Successor string `json:"successor"`
	Term      int64  `json:"term"`
	// Failover is the time from the fault until the successor believed that it led.
	Failover Millis `json:"failoverMillis"`
	// Outlived is for how long the member went on believing after the fault.
	Outlived Millis `json:"outlivedMillis"`
	// Leaderless is the time from the end of that belief until the successor's.
	Leaderless Millis `json:"leaderlessMillis"`

	words fault
}

// Leadership is a time during which one process believed that it led.
type Leadership struct {
	Member string `json:"member"`
	Term   int64  `json:"term"`
	From   Millis `json:"fromMillis"`
	To     Millis `json:"toMillis"`
}

// Overlap is a time during which several processes believed that they led.
type Overlap struct {
	From      Millis   `json:"fromMillis"`
	To        Millis   `json:"toMillis"`
	Processes []string `json:"processes"`
}

// chronicle is everything that happened, on clock().
type chronicle struct {
	ids      []string
	began    time.Duration
	ended    time.Duration
	lives    []*life
	events   []event
	struck   []struck
	steady   *Steady
	ends     map[int64]s3lect.EndReason
	believed []belief // in the order of their beginnings
}

// chronicle reads the audits of all processes. The processes have ended.
func (c *cluster) chronicle(ended time.Duration) (*chronicle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := &chronicle{ids: c.ids, began: c.began, ended: ended, lives: c.lives, events: c.events, struck: c.struck, steady: c.steady, ends: c.ends}
	for _, l := range c.lives {
		samples, err := readAudit(l.auditFile())
		if err != nil {
			return nil, err
		}
		var thaws []time.Duration
		for _, f := range l.frozen {
			thaws = append(thaws, f.To)
		}
		for _, b := range beliefs(samples, thaws) {
			b.ID, b.Process = l.ID, l.name()
			ch.believed = append(ch.believed, b)
		}
	}
	slices.SortStableFunc(ch.believed, func(a, b belief) int { return cmp.Compare(a.From, b.From) })
	return ch, nil
}

// result computes the figures.
func (ch *chronicle) result(opts Options) *Result {
	r := &Result{
		Members: ch.ids, Lease: Millis(opts.Lease), Interval: Millis(opts.interval()),
		Duration: ch.since(ch.ended),
		Clock:    clockName, SamplePeriod: Millis(samplePeriod),
		TwoLeaders:       Millis(together(ch.believed)),
		TwoLeadersAtMost: Millis(atWorst(ch.believed)),
		Overlaps:         []Overlap{},
		Steady:           ch.steady,
		chronicle:        ch,
	}
	for _, l := range ch.lives {
		r.Requests.add(l.last.Requests)
		r.Samples += l.last.Samples
	}
	for _, b := range ch.believed {
		r.Leaderships = append(r.Leaderships, Leadership{Member: b.ID, Term: b.Term, From: ch.since(b.From), To: ch.since(b.To)})
	}
	for _, o := range overlaps(ch.believed) {
		r.Overlaps = append(r.Overlaps, Overlap{From: ch.since(o.From), To: ch.since(o.To), Processes: o.Processes})
	}
	for _, s := range ch.struck {
		r.Faults = append(r.Faults, ch.outcome(s))
	}
	return r
}

// outcome finds what came of a fault.
func (ch *chronicle) outcome(s struck) Fault {
	f := Fault{Fault: s.name, Member: s.ID, At: ch.since(s.At), words: s.fault}
	if s.Until != 0 {
		f.Undone = ch.since(s.Until)
	}
	next := slices.IndexFunc(ch.believed, func(b belief) bool { return b.From > s.At && b.ID != s.ID })
	if next < 0 {
		return f
	}
	successor := ch.believed[next]
	f.Successor, f.Term, f.Failover = successor.ID, successor.Term, Millis(successor.From-s.At)
	end := s.At
	for _, b := range ch.believed[:next] {
		if b.ID == s.ID {
			end = max(end, b.To)
		}
	}
	f.Outlived, f.Leaderless = Millis(end-s.At), Millis(successor.From-end)
	return f
}

func (ch *chronicle) since(t time.Duration) Millis { return Millis(t - ch.began) }
