package sim

import (
	"slices"
	"time"
)

// fault is one kind of trouble.
type fault int

const (
	partitionErrors fault = iota
	partitionHangs
	deafness // hanging calls that ignore their context
	requestErrors
	lostReplies
	lateWrites
	slowRequests
	tornReads
	staleReads
	conflicts
	throttling
	duplicatedWrites
	deletions
	badRecords
	clockRates
	clockSteps
	suspensions
	freezes
	crashes
	duplicateIDs
	mixedTimeouts
	reconfigurations
	moves // another key or another ServerID, and back
	troubledHooks
	overrunningWork
	handovers // Resign and TransferLeadership
	restarts  // Stop and Start of one elector
	outages   // the whole storage fails for a while
	faultCount
)

// Schedule says which kinds of trouble a run has.
type Schedule struct {
	Name   string
	faults []fault
}

// Schedules are the named ones: each kind of trouble alone, and all at once. In Mixed every run has
// some of them, in different strengths.
func Schedules() []Schedule {
	return []Schedule{
		{"calm", nil},
		{"partition-errors", []fault{partitionErrors}},
		{"partition-hangs", []fault{partitionHangs}},
		{"partition-deaf", []fault{partitionHangs, deafness}},
		{"errors", []fault{requestErrors}},
		{"lost-replies", []fault{lostReplies}},
		{"late-writes", []fault{lateWrites}},
		{"slow-requests", []fault{slowRequests}},
		{"slow-partitions", []fault{slowRequests, partitionHangs, clockRates}},
		{"torn-reads", []fault{tornReads, handovers}},
		{"torn-bad-records", []fault{tornReads, badRecords}},
		{"stale-reads", []fault{staleReads, handovers}},
		{"conflicts", []fault{conflicts}},
		{"throttling", []fault{throttling}},
		{"duplicated-writes", []fault{duplicatedWrites}},
		{"deletions", []fault{deletions}},
		{"bad-records", []fault{badRecords}},
		{"clock-rates", []fault{clockRates, crashes}},
		{"clock-steps", []fault{clockSteps}},
		{"suspensions", []fault{suspensions}},
		{"freezes", []fault{freezes, clockRates}},
		{"crashes", []fault{crashes}},
		{"duplicate-ids", []fault{duplicateIDs, crashes}},
		{"mixed-timeouts", []fault{mixedTimeouts, crashes, partitionHangs}},
		{"reconfigurations", []fault{reconfigurations, partitionHangs}},
		{"moves", []fault{moves}},
		{"hooks", []fault{troubledHooks, handovers, partitionErrors}},
		{"overrunning-work", []fault{overrunningWork, partitionErrors, handovers}},
		{"handovers", []fault{handovers}},
		{"restarts", []fault{restarts}},
		{"outages", []fault{outages}},
		Mixed(),
	}
}

// Mixed is everything at once.
func Mixed() Schedule {
	s := Schedule{Name: "mixed"}
	for f := range faultCount {
		s.faults = append(s.faults, f)
	}
	return s
}

// profile is what one seed makes of a schedule.
type profile struct {
	faults   []fault
	weather  weather
	nodes    int
	latency  [2]time.Duration
	lateness time.Duration // of timers
	chaos    time.Duration
	pace     time.Duration // mean time between two actions
	etags    []bool        // by node: whether its storage reports ETags
	habits   []habits      // by node
	maxLease time.Duration
	longest  time.Duration // FrequentInterval
	rateBand int64         // parts per million that clocks may be off
}

func (p *profile) has(f fault) bool              { return slices.Contains(p.faults, f) }
func (p *profile) reportsETags(node int) bool    { return p.etags[node%len(p.etags)] }
func (w *world) habitsOf(node int) habits        { return w.profile.habits[node%len(w.profile.habits)] }
func ramp(d *dice, on bool, top float64) float64 { v := d.fraction() * top; return pick(on, v, 0) }
func pick[T any](on bool, yes, no T) T {
	if on {
		return yes
	}
	return no
}

// newProfile draws a seed's profile. In the mixed schedule each kind of trouble is on with a chance
// of one half, so that runs differ.
func newProfile(seed uint64, s Schedule, nodes int) *profile {
	d := newDice(seed, "profile")
	p := &profile{nodes: nodes, latency: [2]time.Duration{20 * time.Millisecond, 60 * time.Millisecond}}
	for f := range faultCount {
		on := d.chance(0.5)
		if slices.Contains(s.faults, f) && (on || s.Name != "mixed") {
			p.faults = append(p.faults, f)
		}
	}
	p.weather = weather{
		errors:     ramp(d, p.has(requestErrors), 0.3),
		lostReply:  ramp(d, p.has(lostReplies), 0.3),
		lateWrite:  ramp(d, p.has(lateWrites), 0.3),
		late:       100 * time.Second,
		hang:       ramp(d, p.has(partitionHangs), 0.05),
		deaf:       pick(p.has(deafness), 75*time.Second, 0),
		slow:       ramp(d, p.has(slowRequests), 0.4),
		slowness:   6 * time.Second,
		torn:       ramp(d, p.has(tornReads), 0.8),
		stale:      ramp(d, p.has(staleReads), 0.3),
		staleness:  40 * time.Second,
		conflict:   ramp(d, p.has(conflicts), 0.3),
		throttle:   ramp(d, p.has(throttling), 0.15),
		duplicated: ramp(d, p.has(duplicatedWrites), 0.3),
		freeze:     ramp(d, p.has(freezes), 0.03),
		frozen:     45 * time.Second,
	}
	p.lateness = pick(d.chance(0.3), 5*time.Millisecond, 0)
	p.chaos = d.between(100*time.Second, 200*time.Second)
	p.pace = d.between(3*time.Second, 15*time.Second)
	p.rateBand = pick(p.has(clockRates), int64(50_000), 0)
	for range nodes {
		p.etags = append(p.etags, d.chance(0.6))
		p.habits = append(p.habits, p.drawHabits(d))
	}
	return p
}

func (p *profile) drawHabits(d *dice) habits {
	h := habits{lead: d.chance(0.5), byContext: d.chance(0.5), quickHooks: d.chance(0.3)}
	troubled, overrun := p.has(troubledHooks), p.has(overrunningWork)
	h.slowHook = ramp(d, troubled, 0.5)
	h.stubborn = ramp(d, troubled, 0.5)
	h.failHook = ramp(d, troubled, 0.4)
	h.returns = ramp(d, p.has(handovers), 0.3)
	h.overrun = ramp(d, overrun, 0.5)
	h.started = d.chance(0.3) && p.has(handovers)
	return h
}

// drawClock makes a machine's clocks: rates off by up to the band, a wall clock off by 20 s.
func (p *profile) drawClock(d *dice, now time.Time) clock {
	rate := func() int64 {
		r := int64(d.between(0, time.Duration(2*p.rateBand))) - p.rateBand
		if extreme := d.fraction(); extreme < 0.25 { // the worst pairs of clocks are of interest
			r = p.rateBand
		} else if extreme < 0.5 {
			r = -p.rateBand
		}
		return million + r
	}
	offset := d.between(-20*time.Second, 20*time.Second)
	c := clock{base: now, mono: d.between(0, time.Hour), wall: now.Add(offset).UnixNano(), monoRate: rate()}
	c.wallRate = c.monoRate
	if other := rate(); d.chance(0.3) {
		c.wallRate = other
	}
	return c
}
