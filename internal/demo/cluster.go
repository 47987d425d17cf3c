package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// condition is what the parent has done to a process, or seen of it.
type condition int

const (
	running condition = iota
	frozen
	killed
	ended
)

// span is a stretch of time on clock(). An open one has no To.
type span struct{ From, To time.Duration }

// life is one process from its start to its end.
type life struct {
	MemberOptions
	span
	pid       int
	condition condition
	cut       bool
	frozen    []span
	cuts      []span
	last      report // its latest word
	process   *process
	answers   chan report
}

func (l *life) healthy() bool { return l.condition == running && !l.cut }

// event is something that happened, to be told.
type event struct {
	At   time.Duration // clock()
	ID   string
	Mark rune // in the timeline; 0 for none
	Kind eventKind
	Text string
	Why  string // of a step
}

type eventKind int

const (
	eventStep  eventKind = iota // a step of the scenario begins
	eventLeads                  // somebody begins to lead
	eventEnds                   // somebody no longer leads
	eventFault
	eventMend
	eventNote
)

// struck is a fault that was done.
type struck struct {
	fault
	ID    string
	At    time.Duration
	Until time.Duration // when it was undone; 0 if never
}

// cluster is the members, seen from their parent. Its methods are safe for concurrent use.
type cluster struct {
	opts  Options
	dir   string
	peers bool // members ask the leader
	began time.Duration
	ids   []string

	mu       sync.Mutex // guards what follows
	lives    []*life    // of all processes ever, in the order of their starts
	events   []event
	struck   []struck
	steady   *Steady
	ends     map[int64]s3lect.EndReason // of leaderships, by their terms
	failure  error
	stopping bool
	changed  chan struct{} // closed and replaced when anything of the above changes
}

func newCluster(opts Options, dir string) *cluster {
	return &cluster{
		opts: opts, dir: dir, began: clock(),
		ids:     memberNames[:opts.Members],
		ends:    map[int64]s3lect.EndReason{},
		changed: make(chan struct{}),
	}
}

// notify wakes those who wait for a change. The caller holds c.mu.
func (c *cluster) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// tell adds an event. The caller holds c.mu.
func (c *cluster) tell(kind eventKind, id string, mark rune, format string, args ...any) {
	c.events = append(c.events, event{At: clock(), ID: id, Mark: mark, Kind: kind, Text: fmt.Sprintf(format, args...)})
	c.notify()
}

// current returns the latest process of a member. The caller holds c.mu.
func (c *cluster) current(id string) *life {
	for _, l := range slices.Backward(c.lives) {
		if l.ID == id {
			return l
		}
	}
	return nil
}

func (c *cluster) begin() error {
	for _, id := range c.ids {
		if err := c.start(id, 1); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) start(id string, n int) error {
	l := &life{
		MemberOptions: MemberOptions{Dir: c.dir, ID: id, Start: n, Lease: c.opts.Lease, Interval: c.opts.interval(), Peers: c.peers, Quorum: c.opts.quorum()},
		span:          span{From: clock()},
		answers:       make(chan report, 1),
	}
	c.mu.Lock()
	c.lives = append(c.lives, l)
	c.mu.Unlock()
	p, err := launch(c.opts.member(l.MemberOptions), l.logFile(), func(r report) { c.hear(l, r) }, func(p *process) { c.gone(l, p) })
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.process, l.pid = p, p.os.Pid
	c.notify()
	return nil
}

// hear takes in what a process says.
func (c *cluster) hear(l *life, r report) {
	if r.Answers != "" {
		select {
		case l.answers <- r:
		default: // nobody waits any more
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := l.last
	l.last = r
	switch {
	case r.Error != "" && r.Answers == "":
		c.fail(fmt.Errorf("%s: %s", l.ID, r.Error))
	case c.stopping: // what changes now is of no interest
	case r.Leader && (!before.Leader || before.Term != r.Term):
		c.tell(eventLeads, l.ID, 0, "leads, term %d%s", r.Term, c.sinceFault(l.ID, r.At))
	case !r.Leader && before.Leader:
		c.tell(eventEnds, l.ID, 0, "no longer leads")
	default:
		c.notify()
	}
	c.hearWhy(l.ID, r.Ended)
}

// hearWhy takes note of the reason for which a leadership has ended. The caller holds c.mu.
func (c *cluster) hearWhy(id string, e ending) {
	if _, known := c.ends[e.Term]; known || e.Term == 0 || c.stopping {
		return
	}
	c.ends[e.Term] = e.Reason
	if e.Reason == s3lect.EndQuorumLost {
		c.tell(eventEnds, id, 'Q', "says why: %s", e.Reason)
	}
}

// sinceFault says how long after the latest fault, or its undoing if nobody led in between, a new
// leader leads. The caller holds c.mu.
func (c *cluster) sinceFault(id string, at time.Duration) string {
	if len(c.struck) == 0 {
		return ""
	}
	f := c.struck[len(c.struck)-1]
	from := max(f.At, f.Until)
	if f.ID == id && f.Until == 0 {
		return ""
	}
	for _, e := range c.events {
		if e.Kind == eventLeads && e.At > f.At {
			return ""
		}
	}
	return fmt.Sprintf(", %s later", seconds(at-from))
}

// gone takes note of the end of a process.
func (c *cluster) gone(l *life, p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.To = clock()
	exit := (*exec.ExitError)(nil)
	switch {
	case l.condition == killed:
		l.To = c.latest(l.ID).At
	case c.stopping:
	case errors.As(p.err, &exit) && exit.ExitCode() < 0: // somebody plays along
		c.tell(eventFault, l.ID, 'K', "was ended from outside: %v", p.err)
	default:
		c.fail(fmt.Errorf("%s ended by itself (%v): %s", l.ID, exitText(p.err), lastWords(l.logFile())))
	}
	if l.condition != killed {
		l.condition = ended
	}
	c.notify()
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// fail ends the demo. The caller holds c.mu.
func (c *cluster) fail(err error) {
	if c.failure == nil && !c.stopping {
		c.failure = err
	}
	c.notify()
}

// await waits until ready, called under c.mu, says so.
func (c *cluster) await(ctx context.Context, ready func() bool) error {
	for {
		c.mu.Lock()
		ok, failure, changed := ready(), c.failure, c.changed
		c.mu.Unlock()
		switch {
		case failure != nil:
			return failure
		case ok:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *cluster) announce(title, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(eventStep, "", 0, "%s", title)
	c.events[len(c.events)-1].Why = why
}

func (c *cluster) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(eventNote, "", 0, "%s", text)
}

func (c *cluster) pause(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, errPaused)
	defer cancel()
	if err := c.await(ctx, func() bool { return false }); !errors.Is(err, errPaused) {
		return err
	}
	return nil
}

// measure counts what is asked of the storage during a while.
func (c *cluster) measure(ctx context.Context, d time.Duration) error {
	before, from := c.requests()
	if err := c.pause(ctx, d); err != nil {
		return err
	}
	after, to := c.requests()
	s := &Steady{Duration: Millis(to - from), Reads: after.Reads - before.Reads, Writes: after.Writes - before.Writes}
	s.ReadsPerMinute = float64(s.Reads) / (to - from).Minutes()
	s.WritesPerMinute = float64(s.Writes) / (to - from).Minutes()
	c.set(func() { c.steady = s })
	c.note(fmt.Sprintf("in %s: %d reads, %d writes", seconds(to-from), s.Reads, s.Writes))
	return nil
}

// requests are those of all processes so far, as they have told, and when that was.
func (c *cluster) requests() (sum requests, at time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lives {
		sum.add(l.last.Requests)
	}
	return sum, clock()
}

var errPaused = errors.New("pause is over")

// minPatience is for how long the demo waits for a leader at least: a busy machine can keep short
// leases from being held for many of them.
const minPatience = 30 * time.Second

func (c *cluster) leader(ctx context.Context, except string) (string, error) {
	patience := max(10*c.opts.Lease, minPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, patience,
		fmt.Errorf("nobody leads after %v: is the machine, or the disk that holds %s, very busy?", patience, c.dir))
	defer cancel()
	var found *life
	err := c.await(ctx, func() bool {
		for _, l := range c.lives {
			if l.ID != except && l.healthy() && l.last.Leader && (found == nil || l.last.Term > found.last.Term) {
				found = l
			}
		}
		return found != nil
	})
	if err != nil {
		return "", err
	}
	return found.ID, nil
}

// follower returns a healthy member that does not lead.
func (c *cluster) follower(ctx context.Context) (string, error) {
	leader, err := c.leader(ctx, "")
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.ids {
		if id != leader && c.current(id).healthy() {
			return id, nil
		}
	}
	return "", fmt.Errorf("nobody is left to follow %s", leader)
}

// leaderless waits until no healthy member leads.
func (c *cluster) leaderless(ctx context.Context) error {
	patience := max(10*c.opts.Lease, minPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("somebody still leads after %v", patience))
	defer cancel()
	return c.await(ctx, func() bool {
		return !slices.ContainsFunc(c.lives, func(l *life) bool { return l.healthy() && l.last.Leader })
	})
}

// latest returns the latest fault that was done to a member. The caller holds c.mu.
func (c *cluster) latest(id string) *struck {
	for i := len(c.struck) - 1; ; i-- {
		if c.struck[i].ID == id {
			return &c.struck[i]
		}
	}
}

func (c *cluster) strike(ctx context.Context, kind faultKind, id string) error {
	f := faults[kind]
	to := ""
	if kind == transfer {
		to = c.heir(id)
		f.asked += " " + to
		f.done += " " + to
	}
	l := c.strikeBegins(f, id)
	var err error
	switch kind {
	case kill:
		if err = l.process.os.Kill(); err == nil || errors.Is(err, os.ErrProcessDone) {
			<-l.process.ended
			err = nil
		}
	case freezing:
		err = freezeApart(ctx, l.process.os, MemberOptions{Dir: c.dir}.storageDir())
	case resign:
		err = c.ask(ctx, l, "resign")
	case transfer:
		err = c.ask(ctx, l, "transfer "+to)
	case cut:
		err = c.ask(ctx, l, "cut")
	}
	if err != nil && kind != kill && l.process.hasEnded() { // somebody else ended it first
		err = errNotStruck
	}
	if errors.Is(err, errNotStruck) {
		c.set(func() { c.struck = c.struck[:len(c.struck)-1] })
	}
	return err
}

// strikeBegins takes note of a fault before it is done, so that whatever comes of it comes later.
func (c *cluster) strikeBegins(f fault, id string) *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, at := c.current(id), clock()
	switch f.kind {
	case kill:
		l.condition = killed
	case freezing:
		l.condition = frozen
		l.frozen = append(l.frozen, span{From: at})
	case cut:
		l.cut = true
		l.cuts = append(l.cuts, span{From: at})
	}
	c.struck = append(c.struck, struck{fault: f, ID: id, At: at})
	c.tell(eventFault, id, f.mark, "%s (%s)", f.asked, f.how)
	return l
}

func (c *cluster) mend(ctx context.Context, kind faultKind, id string) error {
	l, at := c.mendBegins(faults[kind], id)
	var err error
	switch kind {
	case kill:
		err = c.start(id, l.Start+1)
	case freezing:
		err = thaw(l.process.os)
	case cut:
		err = c.ask(ctx, l, "heal")
	}
	if l.process.hasEnded() && kind != kill { // somebody else ended it meanwhile
		err = nil
	}
	c.set(func() {
		c.latest(id).Until = at
		l.cut = false
	})
	return err
}

func (c *cluster) mendBegins(f fault, id string) (*life, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, at := c.current(id), clock()
	switch f.kind {
	case freezing:
		l.condition = running
		l.frozen[len(l.frozen)-1].To = at
	case cut:
		l.cuts[len(l.cuts)-1].To = at
	}
	c.tell(eventMend, id, f.end, "%s", f.mended)
	return l, at
}

func (c *cluster) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.notify()
}

// heir chooses whom a leader hands over to: a healthy follower, one that never led if there is one.
func (c *cluster) heir(of string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	led := func(id string) bool {
		return slices.ContainsFunc(c.events, func(e event) bool { return e.Kind == eventLeads && e.ID == id })
	}
	heir := ""
	for _, id := range c.ids {
		if id != of && c.current(id).healthy() && (heir == "" || led(heir) && !led(id)) {
			heir = id
		}
	}
	return heir
}

// ask sends a command and waits for the answer. It returns errNotStruck if the process refuses.
func (c *cluster) ask(ctx context.Context, l *life, command string) error {
	patience := 2*c.opts.Lease + stopPatience
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s did not answer to %q within %v", l.ID, command, patience))
	defer cancel()
	select {
	case <-l.answers: // one that came too late
	default:
	}
	if err := l.process.send(command); err != nil {
		return err
	}
	select {
	case r := <-l.answers:
		if r.Error != "" {
			c.note(fmt.Sprintf("%s does not %s: %s", l.ID, command, r.Error))
			return errNotStruck
		}
		return nil
	case <-l.process.ended:
		return fmt.Errorf("%s ended before it answered to %q", l.ID, command)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends every process: followers first, so that nobody is elected meanwhile. Those that do not
// end in time are killed. None is left when it returns.
func (c *cluster) stop() {
	c.mu.Lock()
	c.stopping = true
	var leaders, others []*life
	for _, l := range c.lives {
		switch {
		case l.process == nil || l.To != 0:
		case l.last.Leader && l.condition == running:
			leaders = append(leaders, l)
		default:
			others = append(others, l)
		}
	}
	c.mu.Unlock()
	stopEach(others)
	stopEach(leaders)
}

func stopEach(lives []*life) {
	for _, l := range lives {
		_ = l.process.send("stop")
		_ = l.process.stdin.Close()
		_ = thaw(l.process.os)
	}
	patience := time.After(stopPatience + time.Second)
	for _, l := range lives {
		select {
		case <-l.process.ended:
		case <-patience:
			for _, l := range lives {
				_ = l.process.os.Kill()
			}
			<-l.process.ended
		}
	}
}
