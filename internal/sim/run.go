package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// Options of a run.
type Options struct {
	Seed     uint64
	Schedule Schedule
	New      NewCandidate // Real, unless a test says otherwise
	Nodes    int          // 5, unless a test says otherwise
	Live     io.Writer    // if not nil, every event is written to it as it happens
	Only     []string     // if not empty, the kinds of violations that count
}

// Report is what came of a run.
type Report struct {
	Seed        uint64
	Schedule    string
	Violations  []Violation
	Leaderships []Leadership
	Requests    Counts
	Trace       string
}

// Failed reports whether a promise was broken.
func (r *Report) Failed() bool { return len(r.Violations) > 0 }

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "schedule %s, seed %d: %d violations\n", r.Schedule, r.Seed, len(r.Violations))
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "  %v\n", v)
	}
	fmt.Fprintf(&b, "the last events:\n%s", r.Trace)
	return b.String()
}

// Run runs one seed of a schedule. It must be called in a bubble of testing/synctest, and it leaves
// no goroutine behind if the electors do not.
func Run(o Options) *Report {
	if o.New == nil {
		o.New = Real
	}
	if o.Nodes == 0 {
		o.Nodes = 5
	}
	level := slog.LevelInfo
	if o.Live != nil {
		level = slog.LevelDebug
	}
	if o.Schedule.nodes > 0 {
		o.Nodes = o.Schedule.nodes
	}
	p := newProfile(o.Seed, o.Schedule, o.Nodes)
	w := newWorld(o.Seed, p, o.New, o.Live, level)
	w.monitor.only = o.Only
	configs := w.drawConfigs()
	w.trace.add("-", "seed %d, schedule %s, chaos for %v, faults %v, weather %+v", o.Seed, o.Schedule.Name, p.chaos, p.faults, p.weather)
	boot := w.dice("boot")
	for i, c := range configs {
		time.Sleep(boot.between(0, pick(boot.chance(0.5), 5*time.Second, 0)))
		w.startNode(i, c)
	}
	w.startFleet(configs[0])
	w.rage()
	if !w.hasFailed() {
		w.revive()
		w.judgeCalm()
	}
	w.close()
	w.judgeRates()
	w.judgeLosses()
	return &Report{
		Seed: o.Seed, Schedule: o.Schedule.Name, Violations: w.monitor.violations,
		Leaderships: w.monitor.leaderships, Requests: w.store.total(leaderRecord).plus(w.store.total(rosterObject)), Trace: w.trace.tail(traceLength),
	}
}

// rage is the time of trouble. It ends early when a promise has been broken.
func (w *world) rage() {
	one := &nemesis{w: w, random: w.dice("nemesis"), actions: actions, busy: map[string]bool{}}
	other := &nemesis{w: w, random: w.dice("crowd nemesis"), actions: crowdActions, busy: map[string]bool{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var both sync.WaitGroup
		both.Go(one.run)
		both.Go(other.run)
		both.Wait()
	}()
	end := time.NewTimer(w.profile.chaos)
	defer end.Stop()
	select {
	case <-end.C:
	case <-w.monitor.failed:
	}
	w.setWeather(func(now *weather) { *now = weather{} })
	w.trace.add("-", "the trouble ends")
	w.calmSince = time.Now()
	close(w.calm)
	limit := time.NewTimer(5 * time.Minute)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
		w.monitor.fail(Unbounded, nil, "a command or a Stop has not returned 5 minutes after the trouble ended")
		<-ended
	}
	w.trace.add("-", "calm")
}

func (w *world) hasFailed() bool {
	select {
	case <-w.monitor.failed:
		return true
	default:
		return false
	}
}

// healingBound is how long after all trouble a leader may be missing: twice the longest lease
// (nobody has looked for a lease, and then a lease is waited for), one more for those who stand
// back, on the slowest clock; a paced retry; the random wait and three round trips. With a quorum it
// takes a lease more to hear of enough of them, another one in which that must not change after a
// leader that has gone for want of them, and before that leader goes, a lease and the grace period.
func (w *world) healingBound() time.Duration {
	leases := 2
	if w.profile.has(handovers) || w.profile.has(troubledHooks) {
		leases++
	}
	grace := time.Duration(0)
	if w.profile.has(quorums) || w.profile.has(mixedQuorums) {
		leases, grace = leases+3, w.profile.maxGrace
	}
	return time.Duration(leases)*w.profile.maxLease*100/95 + (w.profile.longest+grace)*100/95 + 2*time.Second
}

// judgeCalm demands a leader within the bound after healing, and then for two leases exactly one,
// the same, whom everybody knows.
func (w *world) judgeCalm() {
	deadline := time.Now().Add(w.healingBound())
	if !w.electable() {
		w.judgeVacancy(deadline)
		return
	}
	for len(w.monitor.leaders()) == 0 {
		if time.Now().After(deadline) {
			w.monitor.fail(Liveness, nil, "no leader %v after the trouble has ended", w.healingBound())
			return
		}
		if w.hasFailed() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.trace.add("-", "there is a leader %v after the trouble has ended", time.Since(w.calmSince))
	time.Sleep(time.Until(deadline))
	// Whoever looks for the first time takes everybody on the list for active, for a lease.
	for _, p := range w.running() {
		_, _ = p.elector.Observers(inspection())
	}
	before := len(w.monitor.mainLeaderships())
	for end := time.Now().Add(2 * w.profile.maxLease); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if leaders := w.monitor.leaders(); len(leaders) != 1 {
			w.monitor.fail(Liveness, nil, "%d leaders in the calm", len(leaders))
			return
		}
	}
	if after := len(w.monitor.mainLeaderships()); after != before {
		w.monitor.fail(Liveness, nil, "%d changes of leadership in the calm", after-before)
		return
	}
	w.judgeAgreement()
}

// judgeVacancy demands that nobody leads where nobody may.
func (w *world) judgeVacancy(from time.Time) {
	w.trace.add("-", "there is nobody who may lead: %d observers", len(w.observers()))
	time.Sleep(time.Until(from))
	for end := time.Now().Add(w.profile.maxLease); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if leaders := w.monitor.leaders(); len(leaders) > 0 {
			w.monitor.fail(Quorum, leaders[0], "leads, and nobody may")
			return
		}
	}
}

func (w *world) judgeAgreement() {
	leaders := w.monitor.leaders()
	if len(leaders) != 1 {
		return
	}
	id := leaders[0].currentConfig().ServerID
	for _, p := range w.running() {
		s := p.elector.GetLeadershipStatus()
		if p.elector.LeaderID() != id || s.LeaderID != id || s.IsLeader != (p == leaders[0]) || s.Term != leaders[0].elector.Term() {
			w.monitor.fail(Status, p, "in the calm %s leads, but LeaderID is %q and the status %+v", id, p.elector.LeaderID(), s)
		}
		if s.ConsecutiveFails > 0 || (s.LastError != "" && !w.profile.has(duplicateIDs)) {
			w.monitor.fail(Status, p, "in the calm the status tells of failures: %+v", s)
		}
	}
	w.judgeAttendance(leaders[0])
}

type inspectionKey struct{}

// inspection is a context for a question of the judge's own. What the storage answers to it is not what
// the election rests on.
func inspection() context.Context {
	return context.WithValue(context.Background(), inspectionKey{}, true)
}

// judgeAttendance demands that everybody knows who is there, as an observer, and who is not. Where
// leases differ, heartbeats may come more seldom than somebody's own lease.
func (w *world) judgeAttendance(leader *process) {
	if w.profile.has(mixedTimeouts) || w.profile.has(reconfigurations) {
		return
	}
	there := slices.Sorted(maps.Keys(w.observers()))
	if s := leader.elector.GetLeadershipStatus(); observes(leader.currentConfig()) && s.ActiveObservers != len(there) {
		w.monitor.fail(Attendance, leader, "leads and counts %d members; %v are there", s.ActiveObservers, there)
	}
	for _, p := range w.running() {
		listed, err := p.elector.Observers(inspection())
		var active []string
		for _, o := range listed {
			if o.Active {
				active = append(active, o.ID)
			}
		}
		if err != nil || !slices.Equal(active, there) {
			w.monitor.fail(Attendance, p, "tells of %v as active observers, %v; %v are there", active, err, there)
		}
	}
}

// judgeRates demands modest numbers of requests.
func (w *world) judgeRates() {
	for _, p := range w.monitor.everybody {
		for o, most := range map[object]float64{leaderRecord: 2, rosterObject: 2.5} {
			total := p.m.requests[o].total
			if rate := float64(total) / w.elapsed().Seconds(); rate > most {
				w.monitor.fail(HotLoop, p, "%d requests to the %v, %.1f a second over the whole run", total, o, rate)
			}
		}
	}
}

// judgeLosses demands, where the only trouble is that writes are duplicated on their way, that no
// leadership is lost: a reading back finds out what has happened.
func (w *world) judgeLosses() {
	if len(w.profile.faults) == 1 && w.profile.has(duplicatedWrites) && len(w.monitor.leaderships) > 1 {
		w.monitor.fail(Lost, nil, "%d leaderships, although every request was answered", len(w.monitor.leaderships))
	}
}

// changes is the number of leaderships that there were.
func (m *monitor) changes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.leaderships)
}

func (m *monitor) mainLeaderships() []Leadership {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Leadership
	for _, l := range m.leaderships {
		if l.Key == mainKey {
			out = append(out, l)
		}
	}
	return out
}

// drawConfigs makes the members' configurations: the defaults, or timeouts of their own.
func (w *world) drawConfigs() []s3lect.ElectorConfig {
	d := w.dice("configs")
	var out []s3lect.ElectorConfig
	common := drawConfig(d, d.chance(0.4))
	for i := range w.profile.nodes {
		c := common
		if own := drawConfig(d, false); w.profile.has(mixedTimeouts) {
			c = own
		}
		c.LockfilePath = mainKey
		c.ServerID = fmt.Sprintf("node-%d", i)
		c.ServerAddr = fmt.Sprintf("10.0.0.%d:8443", i+1)
		c.PeerMode, c.PeerTimeout = w.profile.peerModes[i], w.profile.peerPatience
		c = w.profile.member(c, i)
		w.profile.maxLease = max(w.profile.maxLease, c.LeaderTimeout)
		w.profile.maxGrace = max(w.profile.maxGrace, graceOf(c))
		w.profile.longest = max(w.profile.longest, c.FrequentInterval)
		out = append(out, c)
	}
	if w.profile.has(reconfigurations) {
		w.profile.maxLease = 25 * time.Second
	}
	if w.profile.has(badRecords) {
		w.profile.maxLease = max(w.profile.maxLease, 15*time.Second)
	}
	return out
}

func drawConfig(d *dice, defaults bool) s3lect.ElectorConfig {
	timeout := d.between(10*time.Second, 25*time.Second).Truncate(time.Millisecond)
	frequent := d.between(timeout/6, timeout/3)
	if rare := d.between(timeout/3, timeout*4/5); d.chance(0.15) {
		frequent = rare
	}
	infrequent := d.between(frequent, max(frequent, 30*time.Second))
	if defaults {
		timeout, frequent, infrequent = s3lect.DefaultLeaderTimeout, s3lect.DefaultFrequentInterval, s3lect.DefaultInfrequentInterval
	}
	return s3lect.ElectorConfig{LeaderTimeout: timeout, FrequentInterval: frequent, InfrequentInterval: infrequent}
}
