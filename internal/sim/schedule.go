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
	joins     // one more node for a while

	// What follows needs peer mode.
	peerMode
	peerCuts       // ways between nodes are cut: one way or both
	peerErrors     // questions and answers get lost, connections break
	lateAnswers    // by up to several leases
	garbledAnswers // something else in the place of an answer
	oldPeers       // nodes that do not know the long poll
	mixedPeers     // nodes without peer mode, or with it for a while

	// What follows needs observers.
	observing
	quorums         // no leader without enough members
	deaths          // many members at once die, hang or leave, and come back
	lostHeartbeats  // requests to the list of observers fail, ways to the leader are cut
	nonVoters       // members that never lead
	mixedQuorums    // different ones, and changing ones, and nodes that are no observers
	badRosters      // a stranger overwrites the list of observers
	unverifiedPeers // questions come without a certificate, and are no heartbeats
	fleets          // fifty members
	faultCount
)

// Schedule says which kinds of trouble a run has.
type Schedule struct {
	Name   string
	faults []fault
	nodes  int // if not 0, so many instead of what the run says
}

// Schedules are the named ones: each kind of trouble alone, and all at once. In Mixed every run has
// some of them, in different strengths.
func Schedules() []Schedule {
	return []Schedule{
		{Name: "calm"},
		{Name: "partition-errors", faults: []fault{partitionErrors}},
		{Name: "partition-hangs", faults: []fault{partitionHangs}},
		{Name: "partition-deaf", faults: []fault{partitionHangs, deafness}},
		{Name: "errors", faults: []fault{requestErrors}},
		{Name: "lost-replies", faults: []fault{lostReplies}},
		{Name: "late-writes", faults: []fault{lateWrites}},
		{Name: "slow-requests", faults: []fault{slowRequests}},
		{Name: "slow-partitions", faults: []fault{slowRequests, partitionHangs, clockRates}},
		{Name: "torn-reads", faults: []fault{tornReads, handovers}},
		{Name: "torn-bad-records", faults: []fault{tornReads, badRecords}},
		{Name: "stale-reads", faults: []fault{staleReads, handovers}},
		{Name: "conflicts", faults: []fault{conflicts}},
		{Name: "throttling", faults: []fault{throttling}},
		{Name: "duplicated-writes", faults: []fault{duplicatedWrites}},
		{Name: "deletions", faults: []fault{deletions}},
		{Name: "bad-records", faults: []fault{badRecords}},
		{Name: "clock-rates", faults: []fault{clockRates, crashes}},
		{Name: "clock-steps", faults: []fault{clockSteps}},
		{Name: "suspensions", faults: []fault{suspensions}},
		{Name: "freezes", faults: []fault{freezes, clockRates}},
		{Name: "crashes", faults: []fault{crashes}},
		{Name: "duplicate-ids", faults: []fault{duplicateIDs, crashes}},
		{Name: "mixed-timeouts", faults: []fault{mixedTimeouts, crashes, partitionHangs}},
		{Name: "reconfigurations", faults: []fault{reconfigurations, partitionHangs}},
		{Name: "moves", faults: []fault{moves}},
		{Name: "hooks", faults: []fault{troubledHooks, handovers, partitionErrors}},
		{Name: "overrunning-work", faults: []fault{overrunningWork, partitionErrors, handovers}},
		{Name: "handovers", faults: []fault{handovers}},
		{Name: "restarts", faults: []fault{restarts}},
		{Name: "outages", faults: []fault{outages}},
		{Name: "peers", faults: []fault{peerMode}},
		{Name: "peers-cut", faults: []fault{peerMode, peerCuts}},
		{Name: "peers-errors", faults: []fault{peerMode, peerErrors}},
		{Name: "peers-late", faults: []fault{peerMode, lateAnswers, crashes}},
		{Name: "peers-late-handovers", faults: []fault{peerMode, lateAnswers, handovers}},
		{Name: "peers-garbled", faults: []fault{peerMode, garbledAnswers}},
		{Name: "peers-old", faults: []fault{peerMode, oldPeers, crashes}},
		{Name: "peers-mixed", faults: []fault{peerMode, mixedPeers, crashes}},
		{Name: "peers-without-storage", faults: []fault{peerMode, partitionErrors, partitionHangs}},
		{Name: "peers-join", faults: []fault{peerMode, joins, peerCuts}, nodes: 2},
		{Name: "peers-crashes", faults: []fault{peerMode, crashes, clockRates}},
		{Name: "peers-handovers", faults: []fault{peerMode, handovers}},
		{Name: "peers-restarts", faults: []fault{peerMode, restarts, crashes}},
		{Name: "peers-freezes", faults: []fault{peerMode, freezes, clockRates}},
		{Name: "peers-suspensions", faults: []fault{peerMode, suspensions, clockSteps}},
		{Name: "peers-duplicate-ids", faults: []fault{peerMode, duplicateIDs, handovers}},
		{Name: "peers-moves", faults: []fault{peerMode, moves, reconfigurations}},
		{Name: "peers-stale-reads", faults: []fault{peerMode, staleReads, tornReads}},
		{Name: "peers-deletions", faults: []fault{peerMode, deletions, badRecords}},
		{Name: "joins", faults: []fault{joins}},
		{Name: "observers", faults: []fault{observing}},
		{Name: "observers-deaths", faults: []fault{observing, deaths, clockRates}},
		{Name: "observers-peers", faults: []fault{observing, peerMode, deaths}},
		{Name: "quorum", faults: []fault{observing, quorums}},
		{Name: "quorum-deaths", faults: []fault{observing, quorums, deaths}},
		{Name: "quorum-crashes", faults: []fault{observing, quorums, deaths, crashes, clockRates}},
		{Name: "quorum-silence", faults: []fault{observing, quorums, lostHeartbeats}},
		{Name: "quorum-non-voters", faults: []fault{observing, nonVoters, deaths}},
		{Name: "quorum-mixed", faults: []fault{observing, quorums, mixedQuorums}},
		{Name: "quorum-bad-rosters", faults: []fault{observing, quorums, badRosters}},
		{Name: "quorum-storage", faults: []fault{observing, quorums, requestErrors, lostReplies, partitionHangs, slowRequests}},
		{Name: "quorum-late-writes", faults: []fault{observing, quorums, lateWrites, conflicts, throttling, duplicatedWrites}},
		{Name: "quorum-torn-reads", faults: []fault{observing, quorums, tornReads, staleReads}},
		{Name: "quorum-handovers", faults: []fault{observing, quorums, handovers, restarts}},
		{Name: "quorum-hooks", faults: []fault{observing, quorums, deaths, troubledHooks, overrunningWork}},
		{Name: "quorum-suspensions", faults: []fault{observing, quorums, suspensions, clockSteps, freezes}},
		{Name: "quorum-moves", faults: []fault{observing, quorums, moves, duplicateIDs, reconfigurations}},
		{Name: "quorum-fleet", faults: []fault{observing, quorums, fleets}},
		{Name: "quorum-peers", faults: []fault{observing, quorums, peerMode, deaths}},
		{Name: "observers-peers-unverified", faults: []fault{observing, peerMode, unverifiedPeers}},
		{Name: "quorum-peers-unverified", faults: []fault{observing, quorums, peerMode, unverifiedPeers}},
		{Name: "quorum-peers-crashes", faults: []fault{observing, quorums, peerMode, unverifiedPeers, deaths, crashes}},
		{Name: "quorum-peers-silence", faults: []fault{observing, quorums, peerMode, lostHeartbeats, peerCuts}},
		{Name: "quorum-peers-errors", faults: []fault{observing, quorums, peerMode, peerErrors, lateAnswers, garbledAnswers}},
		{Name: "quorum-peers-old", faults: []fault{observing, quorums, peerMode, oldPeers, mixedPeers, deaths}},
		{Name: "quorum-peers-handovers", faults: []fault{observing, quorums, peerMode, handovers, restarts}},
		{Name: "quorum-peers-mixed", faults: []fault{observing, quorums, peerMode, mixedQuorums, nonVoters, deaths}},
		{Name: "quorum-peers-freezes", faults: []fault{observing, quorums, peerMode, freezes, deaths}},
		{Name: "quorum-peers-fleet", faults: []fault{observing, quorums, peerMode, fleets, deaths}},
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

	peerWeather  peerWeather
	peerModes    []bool        // by node: whether it asks the leader
	oldPeers     []bool        // by node: whether its endpoint does not know the long poll
	peerPatience time.Duration // PeerTimeout; 0 means the default
	silentDeaths float64       // how many of the dead go without a word

	crowd    crowd
	maxGrace time.Duration
}

func (p *profile) has(f fault) bool              { return slices.Contains(p.faults, f) }
func (p *profile) reportsETags(node int) bool    { return p.etags[node%len(p.etags)] }
func ramp(d *dice, on bool, top float64) float64 { v := d.fraction() * top; return pick(on, v, 0) }

func pick[T any](on bool, yes, no T) T {
	if on {
		return yes
	}
	return no
}

func (w *world) habitsOf(node int) habits {
	h := w.profile.habits[node%len(w.profile.habits)]
	h.oldPeer = w.profile.oldPeers[node%len(w.profile.oldPeers)]
	return h
}

// newProfile draws a seed's profile. In the mixed schedule each kind of trouble is on with a chance
// of one half, so that runs differ.
func newProfile(seed uint64, s Schedule, nodes int) *profile {
	d, peers, crowd := newDice(seed, "profile"), newDice(seed, "peers"), newDice(seed, "crowd")
	p := &profile{nodes: nodes, latency: [2]time.Duration{20 * time.Millisecond, 60 * time.Millisecond}}
	for f := range faultCount {
		on := false
		switch {
		case f < joins:
			on = d.chance(0.5)
		case f < observing:
			on = peers.chance(0.5) && (f == joins || f == peerMode || p.has(peerMode))
		default:
			on = crowd.chance(crowdChance(f)) && (f == observing || p.has(observing))
		}
		if slices.Contains(s.faults, f) && (on || s.Name != "mixed") {
			p.faults = append(p.faults, f)
		}
	}
	p.drawPeers(peers)
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
	p.drawCrowd(crowd)
	return p
}

// crowdChance is how likely a kind of trouble with observers is in the mixed schedule. Fifty members
// take long to simulate.
func crowdChance(f fault) float64 {
	switch f {
	case observing:
		return 0.2
	case quorums:
		return 0.7
	case fleets:
		return 0.002
	}
	return 0.4
}

// drawPeers draws how the nodes ask each other: all of them, or some.
func (p *profile) drawPeers(d *dice) {
	late := p.has(lateAnswers)
	p.peerWeather = peerWeather{
		refused:  ramp(d, p.has(peerErrors), 0.2),
		lost:     ramp(d, p.has(peerErrors), 0.1),
		unheard:  ramp(d, p.has(peerErrors), 0.1),
		broken:   ramp(d, p.has(peerErrors), 0.3),
		late:     ramp(d, late, 0.5),
		lateness: 75 * time.Second,
		garbled:  ramp(d, p.has(garbledAnswers), 0.5),
		freeze:   ramp(d, p.has(peerMode) && p.has(freezes), 0.03),
		frozen:   45 * time.Second,
	}
	// Who hears late answers has to wait for them.
	if patience := d.between(time.Second, 75*time.Second); late {
		p.peerPatience = patience
	}
	p.silentDeaths = 0.5
	share := d.fraction()
	for range p.nodes {
		asks, old := d.chance(share), d.chance(share)
		p.peerModes = append(p.peerModes, p.has(peerMode) && (asks || !p.has(mixedPeers)))
		p.oldPeers = append(p.oldPeers, p.has(oldPeers) && old)
	}
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
