package arena

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Need is what a fault needs of a contender; where it has not got that, the fault cannot be applied to it.
type Need int

const (
	// Nothing is needed where trouble is between the process and its store.
	Nothing Need = iota
	// Statuses are those of an HTTP server.
	Statuses
	// ETags are versions that come beside what they are the version of.
	ETags
	// Rates are clocks that run at the node's rate.
	Rates
	// Offsets are wall clocks that show the wrong time.
	Offsets
)

// Fault is one kind of trouble.
type Fault struct {
	Name string
	Need Need
	// Parts are what parts of it need; a contender that has not got that is spared them.
	Parts []Need
	// Assumption, if not empty, is what s3lect assumes not to happen.
	Assumption string
	// Leases are those of the members; nil if they all have the same.
	Leases func(*rand.Rand, time.Duration) time.Duration

	weather func(lease time.Duration) weather
	clocks  func(*rand.Rand, *Node)
	act     func(*trouble)
}

// trouble is a fault at work.
type trouble struct {
	arena  *Arena
	random *rand.Rand
	lease  time.Duration
	calm   chan struct{}
	acts   sync.WaitGroup
}

// Faults are the kinds of trouble of the elector's own simulation, as far as they can be made for others, too.
func Faults() []Fault {
	all := []Fault{
		{Name: "none"},
		{Name: "30 % of requests fail", weather: func(time.Duration) weather { return weather{errors: 0.3} }, act: (*trouble).restart},
		{Name: "partition, connections break", act: func(t *trouble) { t.cutOff(false) }},
		{Name: "partition, requests hang", act: func(t *trouble) { t.cutOff(true) }},
		{Name: "answers to writes get lost", weather: func(time.Duration) weather { return weather{lost: 0.3} }, act: (*trouble).restart},
		{Name: "writes arrive late", weather: func(l time.Duration) weather { return weather{late: 0.2, longest: 2 * l} }, act: (*trouble).restart},
		{Name: "slow requests", weather: func(l time.Duration) weather { return weather{slow: 0.3, longest: l} }, act: (*trouble).restart},
		{Name: "torn reads", Need: ETags, weather: func(time.Duration) weather { return weather{torn: 0.3} }, act: (*trouble).restart},
		{Name: "409 Conflict", Need: Statuses, weather: func(time.Duration) weather { return weather{conflict: 0.3} }, act: (*trouble).restart},
		{Name: "429 and 503 SlowDown", Need: Statuses, weather: func(time.Duration) weather { return weather{throttled: 0.3} }, act: (*trouble).restart},
		{Name: "wall clocks wrong by up to 20 s", Need: Offsets, clocks: wrongClock, act: (*trouble).silence},
		{Name: "wall clocks step by up to 20 s", Need: Offsets, act: (*trouble).stepSilently},
		{Name: "clocks 5 % fast or slow", Need: Rates, clocks: wrongRate, act: (*trouble).silence},
		{Name: "frozen processes", act: (*trouble).freeze},
		{Name: "crashes and restarts", act: (*trouble).restart},
		{Name: "leases differ", Leases: otherLease, act: (*trouble).restart},
		{Name: "the record is deleted", Assumption: "nobody deletes the object", act: (*trouble).delete},
	}
	return append(all, together(all))
}

// together is all of them at once, in a weaker form, but for what is assumed not to happen.
func together(all []Fault) Fault {
	return Fault{
		Name:   "all at once, but deletions",
		Parts:  []Need{Statuses, ETags, Rates, Offsets},
		Leases: otherLease,
		weather: func(l time.Duration) weather {
			return weather{
				errors: 0.05, lost: 0.05, late: 0.05, slow: 0.05, torn: 0.05, conflict: 0.05, throttled: 0.05, longest: l,
			}
		},
		clocks: func(r *rand.Rand, n *Node) {
			wrongClock(r, n)
			wrongRate(r, n)
		},
		act: func(t *trouble) {
			for {
				if f := all[t.random.IntN(len(all))]; f.act != nil && f.Assumption == "" {
					f.act(t)
					return
				}
			}
		},
	}
}

func wrongClock(r *rand.Rand, n *Node) { n.Step(between(r, -20*time.Second, 20*time.Second)) }
func wrongRate(r *rand.Rand, n *Node)  { n.rate = []float64{0.95, 1, 1.05}[r.IntN(3)] }

func otherLease(r *rand.Rand, lease time.Duration) time.Duration {
	return between(r, lease*2/3, lease*5/3).Truncate(time.Second)
}

// Prepare sets the clocks of a node on which nothing runs yet.
func (f Fault) Prepare(n *Node) {
	if f.clocks == nil {
		return
	}
	n.arena.mu.Lock()
	defer n.arena.mu.Unlock()
	f.clocks(n.arena.random, n)
}

// Rage makes the trouble for as long as d, and returns when it has ended and everybody is there again.
func (f Fault) Rage(a *Arena, lease, d time.Duration) {
	if f.weather != nil {
		a.setWeather(f.weather(lease))
	}
	t := &trouble{arena: a, random: a.Dice(2), lease: lease, calm: make(chan struct{})}
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(between(t.random, lease/5, 3*lease), time.Until(end)))
		if f.act != nil && time.Now().Before(end) {
			f.act(t)
		}
	}
	a.calm()
	close(t.calm)
	t.acts.Wait()
}

// lasting keeps trouble up for some time, unless all of it ends.
func (t *trouble) lasting(d time.Duration, end func()) {
	t.acts.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-t.calm:
		}
		end()
	})
}

// victim is mostly a leader, and in any case a process that runs.
func (t *trouble) victim() *Node {
	nodes := t.arena.Leaders()
	if len(nodes) == 0 || t.random.Float64() < 0.3 {
		nodes = slices.DeleteFunc(t.arena.Nodes(), func(n *Node) bool { return !n.Alive() })
	}
	if len(nodes) == 0 {
		return nil
	}
	return nodes[t.random.IntN(len(nodes))]
}

// whilst is how long a disturbance lasts: mostly so long that somebody else wants to lead.
func (t *trouble) whilst() time.Duration { return between(t.random, t.lease/10, 3*t.lease) }

func (t *trouble) cutOff(hangs bool) {
	if n := t.victim(); n != nil {
		n.CutOff(hangs, t.random.Float64() < 0.5)
		t.lasting(t.whilst(), n.Mend)
	}
}

func (t *trouble) freeze() {
	if n := t.victim(); n != nil {
		n.Freeze()
		t.lasting(t.whilst(), func() {
			t.arena.mu.Lock()
			referee := t.arena.referee
			t.arena.mu.Unlock()
			if referee != nil {
				referee.awakes(n)
			}
			n.Thaw()
		})
	}
}

func (t *trouble) restart() {
	if n := t.victim(); n != nil {
		n.Crash()
		t.lasting(between(t.random, 0, t.lease), func() { t.arena.mustLaunch(n.Replace()) })
	}
}

// silence is a crash or a partition: a leader whose lease runs out. Connections break, since with requests that hang some
// have two leaders whatever their clocks show.
func (t *trouble) silence() {
	if t.random.Float64() < 0.5 {
		t.restart()
	} else {
		t.cutOff(false)
	}
}

// stepSilently is a step, and sometimes a leader whose lease runs out.
func (t *trouble) stepSilently() {
	t.step()
	if t.random.Float64() < 0.5 {
		t.silence()
	}
}

func (t *trouble) step() {
	nodes := t.arena.Nodes()
	nodes[t.random.IntN(len(nodes))].Step(between(t.random, -20*time.Second, 20*time.Second))
}

func (t *trouble) delete() {
	t.arena.bucket.remove()
	t.arena.redis.remove()
}

// mustLaunch launches what has been launched before.
func (a *Arena) mustLaunch(n *Node) {
	if err := a.Launch(n); err != nil {
		panic(err)
	}
}
