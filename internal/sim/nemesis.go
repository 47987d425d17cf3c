package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// nemesis makes trouble while the chaos lasts.
type nemesis struct {
	w       *world
	random  *dice
	actions []action
	acts    sync.WaitGroup

	mu   sync.Mutex
	busy map[string]bool // what is going on, one of each at a time
}

// action is one kind of trouble that is made on purpose, at a moment.
type action struct {
	fault fault
	name  string
	do    func(*nemesis, *process)
}

var actions = []action{
	{partitionErrors, "partition", func(n *nemesis, p *process) { n.partition(p, refusing, refusedReplies) }},
	{partitionHangs, "partition", func(n *nemesis, p *process) { n.partition(p, hanging, hangingReplies) }},
	{freezes, "freeze", (*nemesis).freeze},
	{suspensions, "suspend", (*nemesis).suspend},
	{clockSteps, "step", (*nemesis).step},
	{crashes, "crash", (*nemesis).crash},
	{duplicateIDs, "duplicate", (*nemesis).duplicate},
	{handovers, "resign", (*nemesis).resign},
	{handovers, "transfer", (*nemesis).transfer},
	{reconfigurations, "reconfigure", (*nemesis).reconfigure},
	{moves, "move", (*nemesis).move},
	{restarts, "restart", (*nemesis).restart},
	{deletions, "delete", (*nemesis).delete},
	{badRecords, "bad record", (*nemesis).spoil},
	{outages, "outage", (*nemesis).outage},
	{joins, "join", (*nemesis).join},
	{peerCuts, "cut", (*nemesis).cut},
	{peerCuts, "cut", (*nemesis).cutOff},
	{mixedPeers, "peer mode", (*nemesis).switchPeerMode},
}

// run makes trouble until the chaos is over and everything it began has ended.
func (n *nemesis) run() {
	var possible []action
	for _, a := range n.actions {
		if n.w.profile.has(a.fault) {
			possible = append(possible, a)
		}
	}
	for n.w.chaos() {
		n.w.calmOr(n.random.between(0, 2*n.w.profile.pace))
		if !n.w.chaos() || len(possible) == 0 {
			continue
		}
		a := possible[n.random.below(len(possible))]
		if p := n.victim(); p != nil {
			a.do(n, p)
			n.w.poke()
		}
	}
	n.acts.Wait()
}

// victim is more often than not the leader.
func (n *nemesis) victim() *process {
	node, leader := n.random.below(n.w.profile.nodes), n.random.chance(0.6)
	if l := n.w.monitor.leaders(); leader && len(l) > 0 {
		return l[0]
	}
	return n.w.process(node)
}

// alone runs do if nothing of that name goes on, and until it has ended nothing of that name begins.
func (n *nemesis) alone(name string, do func()) {
	n.mu.Lock()
	busy := n.busy[name]
	if !busy {
		n.busy[name] = true
	}
	n.mu.Unlock()
	if busy {
		return
	}
	n.acts.Go(func() {
		do()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.busy, name)
	})
}

// command gives a process an order, as its program would: not while it is held, one at a time.
func (n *nemesis) command(p *process, name string, do func(ctx context.Context) error) {
	n.alone("command "+p.name, func() {
		p.order(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			n.w.trace.add(p.name, "%s ...", name)
			err := do(ctx)
			n.w.trace.add(p.name, "%s: %v", name, err)
		})
	})
}

func (n *nemesis) partition(p *process, a, b partition) {
	kind, d := pick(n.random.chance(0.6), a, b), n.random.between(2*time.Second, 60*time.Second)
	n.alone("partition "+p.name, func() {
		n.w.trace.add(p.name, "PARTITION %v for %v", kind, d)
		p.link.cut(kind)
		n.w.calmOr(d)
		p.link.cut(connected)
		n.w.trace.add(p.name, "partition heals")
	})
}

func (n *nemesis) freeze(p *process) {
	d := n.random.between(100*time.Millisecond, 45*time.Second)
	n.alone("freeze "+p.name, func() {
		n.w.trace.add(p.name, "FREEZE for %v", d)
		p.host.freeze()
		n.w.calmOr(d)
		p.host.thaw()
		n.w.trace.add(p.name, "thawed")
	})
}

// suspend needs a wall clock to go by: it keeps its distance to a step backwards, see step.
func (n *nemesis) suspend(p *process) {
	d := n.random.between(time.Second, 60*time.Second)
	if p.host.stepsBackLately(n.w.profile.maxLease * 2) {
		return
	}
	n.alone("suspend "+p.name, func() {
		n.w.trace.add(p.name, "SUSPEND for %v", d)
		p.host.suspend()
		n.w.calmOr(d)
		p.host.wake()
		n.w.trace.add(p.name, "wakes")
	})
}

// step moves a wall clock. A suspended machine has nothing but its wall clock to tell it how much
// time has passed, so a step backwards within a lease of a suspension would leave it without any
// clock within 5 % of true time, which the promise demands.
func (n *nemesis) step(p *process) {
	d := n.random.between(-20*time.Second, 20*time.Second)
	if d < 0 && p.host.suspendedLately(n.w.profile.maxLease*2) {
		return
	}
	n.w.trace.add(p.name, "wall clock STEPS by %v", d)
	p.host.step(d)
}

// crash kills a process and starts the node again, now or later, under the same ID.
func (n *nemesis) crash(p *process) {
	pause, back := n.random.between(0, 40*time.Second), n.random.chance(0.85)
	config := p.configAtHome()
	if !n.w.othersRun(p) {
		back = true
	}
	if n.w.taken(p) {
		return
	}
	n.w.leave(p)
	p.crash()
	if !back {
		return
	}
	n.acts.Go(func() {
		n.w.calmOr(pause)
		n.startWhenObjectExists(p.node, config)
	})
}

// startWhenObjectExists: an elector that has never seen the object may create it at once, so while
// somebody has deleted it (which the promise excludes) none is started.
func (n *nemesis) startWhenObjectExists(node int, config s3lect.ElectorConfig) {
	n.awaitObject()
	n.w.startNode(node, config)
}

// Where many members die at once, those who wait here may be the ones without whom nobody creates it
// for the first time.
func (n *nemesis) awaitObject() {
	if !n.w.profile.has(deletions) || n.w.profile.has(observing) && !n.w.store.existed(mainKey) {
		return
	}
	for !n.w.store.look(mainKey).exists() {
		time.Sleep(200 * time.Millisecond)
	}
}

// ready waits until a process runs and the object exists, both at once.
func (n *nemesis) ready(p *process) {
	for {
		p.host.wait()
		n.awaitObject()
		if !p.host.condition().held {
			return
		}
	}
}

// duplicate runs a second process under a ServerID that is in use.
func (n *nemesis) duplicate(p *process) {
	d, crashes := n.random.between(10*time.Second, 90*time.Second), n.random.chance(0.5)
	config := p.configAtHome()
	n.alone("duplicate", func() {
		n.awaitObject()
		node := n.w.addNode()
		twin := n.w.startNode(node, config)
		n.w.calmOr(d)
		n.w.leave(twin)
		if crashes {
			twin.crash()
			return
		}
		twin.end()
	})
}

func (n *nemesis) resign(p *process) {
	n.command(p, "Resign", func(ctx context.Context) error { return p.elector.Resign(ctx) })
}

func (n *nemesis) transfer(p *process) {
	to, nobody := n.w.process(n.random.below(n.w.profile.nodes)), n.random.chance(0.1)
	id := "nobody"
	if to != nil && !nobody {
		id = to.currentConfig().ServerID
	}
	n.command(p, "TransferLeadership to "+id, func(ctx context.Context) error { return p.elector.TransferLeadership(ctx, id) })
}

// reconfigure changes the timeout, often of the leader while it leads.
func (n *nemesis) reconfigure(p *process) {
	timeout := n.random.between(10*time.Second, 25*time.Second)
	n.command(p, "UpdateConfig", func(context.Context) error {
		p.updateConfig(func(c *s3lect.ElectorConfig) {
			c.LeaderTimeout = timeout
			c.FrequentInterval = min(c.FrequentInterval, timeout/3)
		})
		return nil
	})
}

// move takes a process to another election, or gives it another ID, and back after a while.
func (n *nemesis) move(p *process) {
	away, rename := n.random.between(5*time.Second, 60*time.Second), n.random.chance(0.5)
	n.alone("move "+p.name, func() {
		leave := func(c *s3lect.ElectorConfig) {
			if rename {
				c.ServerID += "-renamed"
			} else {
				c.LockfilePath = sideKey
			}
		}
		back := func(c *s3lect.ElectorConfig) { c.ServerID, c.LockfilePath = p.home.ServerID, p.home.LockfilePath }
		p.order(func() {
			n.ready(p)
			p.updateConfig(leave)
		})
		n.w.calmOr(away)
		p.order(func() {
			n.ready(p)
			p.updateConfig(back)
		})
	})
}

// restart stops an elector and starts the same one again.
func (n *nemesis) restart(p *process) {
	pause := n.random.between(0, 20*time.Second)
	n.alone("restart "+p.name, func() {
		p.order(func() {
			p.stop()
			n.w.calmOr(pause)
			n.ready(p)
			if !p.host.isDead() {
				p.start()
			}
		})
	})
}

// delete removes the object, which the promise excludes. It is survived all the same if every
// candidate was last shown a record of the present leadership, if none is started until the object
// exists again, and if no write that would create it is on its way. So only then.
func (n *nemesis) delete(*process) {
	n.alone("delete", func() {
		for range 100 {
			if n.w.deleteIfSafe() {
				n.restoreIfNobodyDoes()
				return
			}
			if !n.w.chaos() {
				return
			}
			n.w.calmOr(200 * time.Millisecond)
		}
	})
}

// restoreIfNobodyDoes puts a record in the place of a deleted one, for want of living candidates.
func (n *nemesis) restoreIfNobodyDoes() {
	for deadline := time.Now().Add(4 * n.w.profile.maxLease); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if n.w.store.look(mainKey).exists() {
			return
		}
	}
	n.w.repair()
}

// spoil has a stranger overwrite the record, and somebody repair it. The old bytes can come back at
// any time; a fresh record only when a lease has passed, because it invites the next leader.
func (n *nemesis) spoil(*process) {
	d, fresh := n.random.between(time.Second, 90*time.Second), n.random.chance(0.5)
	junk := []byte([...]string{
		"hello", `{"leaderID":7}`, `{"leaderID":"x","lastUpdated":"2000-01-01T00:00:00Z","term":-4}`,
		`{"leaderID":"x","lastUpdated":"2000-01-01T00:00:00Z","term":3,"leaseMillis":36000000}`, "[]", "null", "",
	}[n.random.below(7)])
	n.alone("delete", func() {
		old := n.w.store.look(mainKey)
		if !old.exists() {
			return
		}
		junk = append([]byte{}, junk...)
		n.w.store.replace(mainKey, version{data: junk, etag: etagOf(junk), at: time.Now()})
		began := time.Now()
		n.w.calmOr(d)
		if fresh && time.Since(began) > n.w.profile.maxLease && old.record != nil {
			n.w.repair()
			return
		}
		n.w.store.replace(mainKey, old)
	})
}

// repair puts a record that invites the next leader, with a term above all others.
func (w *world) repair() {
	term := w.monitor.highestTerm(mainKey) + 3
	r := &record{LeaderID: "operator", Term: term, LeaseMillis: 15000, Session: "repair", Nonce: fmt.Sprint("repair ", term)}
	data := r.encode()
	w.store.replace(mainKey, version{data: data, etag: etagOf(data), record: r, at: time.Now()})
}

// outage makes the whole storage fail for a while.
func (n *nemesis) outage(*process) {
	d, severity := n.random.between(time.Second, 60*time.Second), 0.3+0.7*n.random.fraction()
	n.alone("outage", func() {
		n.w.trace.add("store", "OUTAGE for %v: %.0f %% of all requests fail", d, 100*severity)
		usual := n.w.profile.weather.errors
		n.w.setWeather(func(w *weather) { w.errors = severity })
		n.w.calmOr(d)
		if n.w.chaos() {
			n.w.setWeather(func(w *weather) { w.errors = usual })
		}
		n.w.trace.add("store", "outage ends")
	})
}

// addNode makes room for one more process.
func (w *world) addNode() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	node := len(w.nodes)
	w.nodes = append(w.nodes, nil)
	w.incarnations = append(w.incarnations, 0)
	w.lastConfigs = append(w.lastConfigs, s3lect.ElectorConfig{})
	w.clocks = append(w.clocks, w.profile.drawClock(w.dice(fmt.Sprintf("n%d clock", node)), time.Now()))
	return node
}

// othersRun reports whether another of the original nodes runs.
func (w *world) othersRun(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.nodes[:w.profile.nodes] {
		if q != nil && q != p {
			return true
		}
	}
	return false
}

func (w *world) deleteIfSafe() bool {
	v := w.store.look(mainKey)
	w.mu.Lock()
	creates := w.creates
	w.mu.Unlock()
	if v.record == nil || creates > 0 || !w.monitor.allHaveSeen(mainKey, v.record) {
		return false
	}
	w.store.replace(mainKey, version{at: time.Now()})
	return true
}

func (h *host) stepsBackLately(d time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.steppedBackAt.IsZero() && time.Since(h.steppedBackAt) < d
}

func (h *host) suspendedLately(d time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.suspended || !h.suspendedAt.IsZero() && time.Since(h.suspendedAt) < d
}
