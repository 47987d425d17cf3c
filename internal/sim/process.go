package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// process is one incarnation of a candidate: an elector, the machine it runs on, and the program
// that uses it.
type process struct {
	w                                                               *world
	name                                                            string // for the trace: a node and its incarnation
	node                                                            int
	host                                                            *host
	link                                                            *link
	habits                                                          habits
	hookDice, workDice, waitDice, watchDice, electionDice, leadDice *dice // of what runs beside each other
	elector                                                         Candidate
	handler                                                         http.Handler // its endpoint
	users                                                           sync.WaitGroup
	commands                                                        chan struct{} // holds one token while a command is carried out, so that they come one at a time

	home s3lect.ElectorConfig // whose key and ID it always comes back to

	mu     sync.Mutex
	config s3lect.ElectorConfig
	cancel context.CancelFunc // ends the present run
	done   chan struct{}      // closed when the present run has ended
	ended  bool               // for good
	taken  bool               // by the nemesis of the crowd, for its end; under the world's lock

	m watched // what the monitor knows; under its lock
}

// habits are how a program uses its elector.
type habits struct {
	lead       bool    // Lead with work, otherwise Start with hooks alone
	started    bool    // Lead, now and then, on an elector that Start has started
	byContext  bool    // stops by cancelling the context of Start
	slowHook   float64 // a hook takes up to two leases
	stubborn   float64 // a slow hook or work does not listen to its context
	failHook   float64
	returns    float64 // work returns by itself
	overrun    float64 // work takes longer to wind down than it is given
	quickHooks bool    // hooks take no time at all
	oldPeer    bool    // its endpoint does not know the long poll
}

func (w *world) newProcess(node int, config s3lect.ElectorConfig, c clock, incarnation int) *process {
	name := fmt.Sprintf("n%d.%d", node, incarnation)
	p := &process{w: w, name: name, node: node, config: config, home: config, habits: w.habitsOf(node), commands: make(chan struct{}, 1)}
	p.hookDice, p.workDice = w.dice(name+" hooks"), w.dice(name+" work")
	p.waitDice, p.watchDice, p.leadDice = w.dice(name+" waiter"), w.dice(name+" watcher"), w.dice(name+" lead")
	p.electionDice = w.dice(name + " elections")
	p.host = newHost(c, w.profile.lateness)
	p.link = &link{w: w, p: p, latency: w.profile.latency}
	config.OnAcquireLeadership, config.OnLoseLeadership = p.onAcquire, p.onLose
	var storage s3lect.Storage = p.link
	if w.profile.reportsETags(node) {
		storage = &etagLink{p.link}
	}
	var err error
	p.elector, err = w.newCandidate(s3lect.S3ElectorOptions{
		Config: &config, Storage: storage, Env: p.host.env(w.dice(name+" elector"), &line{w, p}),
		Logger: slog.New(&logHandler{t: w.trace, who: name, level: w.logLevel}),
	})
	if err != nil {
		panic(err)
	}
	p.handler = p.newHandler()
	return p
}

// start begins a run of the elector. The last one has ended.
func (p *process) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	p.cancel, p.done = cancel, make(chan struct{})
	done := p.done
	p.mu.Unlock()
	p.w.monitor.started(p)
	p.users.Go(func() { p.waitForLeadership(ctx) })
	p.users.Go(func() { p.watch(ctx) })
	p.users.Go(func() { p.waitForElections(ctx) })
	if !p.habits.lead || p.habits.started {
		if err := p.elector.Start(ctx); err != nil {
			p.w.monitor.fail(Status, p, "Start: %v", err)
		}
	}
	if p.habits.lead {
		p.users.Go(func() {
			defer close(done)
			p.leadUntil(ctx)
			_ = p.elector.Stop()
		})
		return
	}
	p.users.Go(func() {
		defer close(done)
		<-ctx.Done()
		p.host.wait()
		if err := p.elector.Stop(); err != nil && !p.host.isDead() {
			p.w.trace.add(p.name, "Stop: %v", err)
		}
	})
}

// stop ends the run and waits for it. The machine may be held meanwhile.
func (p *process) stop() {
	p.host.wait()
	p.mu.Lock()
	cancel, done := p.cancel, p.done
	p.mu.Unlock()
	p.w.trace.add(p.name, "stopping")
	p.w.monitor.stopping(p)
	began := time.Now()
	if !p.habits.lead && !p.habits.byContext {
		if err := p.elector.Stop(); err != nil && !p.host.isDead() {
			p.w.trace.add(p.name, "Stop: %v", err)
		}
	}
	cancel()
	<-done
	p.host.wait()
	p.w.monitor.stopped(p, began)
	p.w.trace.add(p.name, "stopped")
}

// end is the last stop. Its users are waited for.
func (p *process) end() {
	p.commands <- struct{}{}
	defer func() { <-p.commands }()
	p.mu.Lock()
	ended := p.ended
	p.ended = true
	p.mu.Unlock()
	if !ended {
		p.stop()
	}
	p.w.network.shut(p)
	p.users.Wait()
}

// crash cuts the process off; what is left of it is ended behind the scenes.
func (p *process) crash() {
	silent := p.w.dice(p.name + " death").chance(p.w.profile.silentDeaths)
	p.w.trace.add(p.name, "CRASH%s", map[bool]string{true: " without a word"}[silent])
	p.host.kill()
	p.w.network.lose(p, silent)
	p.w.monitor.died(p)
	p.w.burials.Go(p.end)
}

// order carries out one command of the program, unless the process is gone. The machine may be held
// meanwhile.
func (p *process) order(do func()) {
	p.host.wait()
	p.commands <- struct{}{}
	defer func() { <-p.commands }()
	p.host.wait()
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if !ended && !p.host.isDead() {
		do()
	}
}

// waitForLeadership checks that WaitForLeadership never returns nil to a non-leader.
func (p *process) waitForLeadership(ctx context.Context) {
	for ctx.Err() == nil && !p.host.isDead() {
		err := p.elector.WaitForLeadership(ctx)
		if err == nil {
			p.w.monitor.waitedForLeadership(p)
		}
		if err != nil && !errors.Is(err, s3lect.ErrNotStarted) && ctx.Err() == nil {
			p.w.monitor.fail(Waiters, p, "WaitForLeadership: %v", err)
		}
		p.pause(ctx, p.waitDice, 2*time.Second, 20*time.Second)
	}
}

// watch checks what Watch tells.
func (p *process) watch(ctx context.Context) {
	for ctx.Err() == nil && !p.host.isDead() {
		for s := range p.elector.Watch(ctx) {
			p.w.monitor.watchedStatus(p, s)
		}
		p.pause(ctx, p.watchDice, time.Second, time.Second)
	}
}

// waitForElections checks that WaitForNextElection returns only after what it waits for.
func (p *process) waitForElections(ctx context.Context) {
	for ctx.Err() == nil && !p.host.isDead() {
		since := p.host.now().Time()
		s, err := p.elector.WaitForNextElection(ctx, since)
		switch {
		case err == nil && !s.LastElectionTime.After(since):
			p.w.monitor.fail(Waiters, p, "WaitForNextElection(%v) returned with an election at %v", since, s.LastElectionTime)
		case err != nil && !errors.Is(err, s3lect.ErrNotStarted) && ctx.Err() == nil:
			p.w.monitor.fail(Waiters, p, "WaitForNextElection: %v", err)
		}
		p.pause(ctx, p.electionDice, 10*time.Second, 60*time.Second)
	}
}

// pause sleeps between two calls of a program.
func (p *process) pause(ctx context.Context, d *dice, lo, hi time.Duration) {
	p.host.sleep(d.between(lo, hi), ctx.Done())
}

// currentConfig returns a copy of the elector's configuration.
func (p *process) currentConfig() s3lect.ElectorConfig {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}

// configAtHome is the present configuration, with the key and the ID it was started with.
func (p *process) configAtHome() s3lect.ElectorConfig {
	c := p.currentConfig()
	c.LockfilePath, c.ServerID = p.home.LockfilePath, p.home.ServerID
	return c
}

// updateConfig changes the configuration of a running elector.
func (p *process) updateConfig(change func(*s3lect.ElectorConfig)) {
	p.mu.Lock()
	c := p.config
	p.mu.Unlock()
	change(&c)
	full := c
	full.OnAcquireLeadership, full.OnLoseLeadership = p.onAcquire, p.onLose
	p.w.monitor.reconfigured(p, c)
	p.mu.Lock()
	p.config = c
	p.mu.Unlock()
	if err := p.elector.UpdateConfig(full); err != nil {
		p.w.monitor.fail(Status, p, "UpdateConfig: %v", err)
	}
}
