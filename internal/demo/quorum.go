package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// Quorum is what the demo of a quorum has shown.
type Quorum struct {
	*Result
	Size  int    `json:"quorum"`
	Grace Millis `json:"graceMillis"`
	// Bound is for how long a leader may go on when too few are alive: a lease, the grace period and
	// the time between two heartbeats.
	Bound Millis `json:"boundMillis"`
	Turns []Turn `json:"turns"`
}

// Turn is a moment from which more or fewer members were alive, and what came of it.
type Turn struct {
	Event  string `json:"event"` // start, kill, freeze, thaw, restart
	Member string `json:"member,omitempty"`
	At     Millis `json:"atMillis"`
	Alive  int    `json:"alive"` // from then on

	Outcome outcomeKind `json:"outcome"`
	Leader  string      `json:"leader,omitempty"` // who led on, stepped down, or began to lead
	Term    int64       `json:"term,omitempty"`
	// Took is the time until the outcome; for one that led on, until something else happened.
	Took   Millis           `json:"tookMillis"`
	Reason s3lect.EndReason `json:"reason,omitempty"` // for which it stepped down, in its own words

	moment moment
}

// outcomeKind is what can come of a turn.
type outcomeKind string

const (
	beganToLead outcomeKind = "began to lead"
	ledOn       outcomeKind = "led on"
	steppedDown outcomeKind = "stepped down"
	nothing     outcomeKind = "nothing"
)

// outnumber plays the scenario of members that fail until too few are left.
func outnumber(ctx context.Context, opts Options, dir string, d *display) (outcome, error) {
	result, err := perform(ctx, newCluster(opts, dir), d, func(c *cluster) error {
		return playQuorum(ctx, c, opts.Members, opts.quorum(), opts.Lease)
	})
	if err != nil {
		return nil, err
	}
	return quorumOf(result, opts), nil
}

// quorumOf computes the figures. The grace period is a lease, which is its default.
func quorumOf(r *Result, opts Options) *Quorum {
	r.Faults = nil
	return &Quorum{
		Result: r, Size: opts.quorum(), Grace: r.Lease, Bound: 2*r.Lease + r.Lease/3,
		Turns: r.chronicle.turns(opts.Members, opts.quorum()),
	}
}

// playQuorum runs the scenario.
func playQuorum(ctx context.Context, s stage, members, quorum int, lease time.Duration) error {
	n, last := 1, freezing
	if !canFreeze {
		last = kill
	}
	announce := func(title, why string) {
		s.announce(fmt.Sprintf("%d of 5: %s", n, title), why)
		n++
	}
	announce("Start, and elect a leader",
		fmt.Sprintf("Nobody claims before it knows of %d members that are alive, itself included.", quorum))
	if err := s.begin(); err != nil {
		return err
	}
	if _, err := s.leader(ctx, ""); err != nil {
		return err
	}
	if err := s.pause(ctx, lease); err != nil {
		return err
	}

	announce(fmt.Sprintf("Kill as many as can be spared: %d of %d are left", quorum, members),
		"They are enough: nothing comes of it, for longer than a leader goes on with too few.")
	var killed []string
	for range members - quorum {
		id, err := strikeFollower(ctx, s, kill)
		if err != nil {
			return err
		}
		killed = append(killed, id)
	}
	if err := s.pause(ctx, 5*lease/2); err != nil {
		return err
	}

	announce(fmt.Sprintf("One more fails: %d is too few", quorum-1),
		"The leader hears nothing of it any more. After a lease it counts too few, tolerates that for the grace period, and steps down.")
	id, err := strikeFollower(ctx, s, last)
	if err != nil {
		return err
	}
	if err := s.leaderless(ctx); err != nil {
		return err
	}
	if err := s.pause(ctx, lease); err != nil {
		return err
	}

	announce(fmt.Sprintf("It comes back: %d are alive again", quorum),
		"Those who are there watch for a lease that it stays so. Then one of them leads.")
	if err := s.mend(ctx, last, id); err != nil {
		return err
	}
	if _, err := s.leader(ctx, ""); err != nil {
		return err
	}
	if err := s.pause(ctx, lease/2); err != nil {
		return err
	}

	announce("Everybody comes back, and the leader is killed", "A quorum is no hindrance while enough are there.")
	for _, id := range killed {
		if err := s.mend(ctx, kill, id); err != nil {
			return err
		}
	}
	if err := s.pause(ctx, lease); err != nil { // until the others know of them
		return err
	}
	if id, err = strikeLeader(ctx, s, kill); err != nil {
		return err
	}
	if _, err := s.leader(ctx, id); err != nil {
		return err
	}
	return s.pause(ctx, lease/2)
}

// strikeFollower does a fault to a member that does not lead.
func strikeFollower(ctx context.Context, s stage, f faultKind) (string, error) {
	id, err := s.follower(ctx)
	if err != nil {
		return "", err
	}
	return id, s.strike(ctx, f, id)
}

// moment is when more or fewer members are alive than before.
type moment struct {
	at     time.Duration
	name   string // in the JSON result
	done   string // in the report
	id     string
	change int
}

// moments are those of the whole demo, in their order.
func (ch *chronicle) moments(members int) []moment {
	list := []moment{{at: ch.began, name: "start", done: "all started", change: members}}
	for _, s := range ch.struck {
		list = append(list, moment{s.At, s.name, s.done, s.ID, -1})
		if s.Until != 0 {
			list = append(list, moment{s.Until, s.undo, s.mended, s.ID, +1})
		}
	}
	slices.SortStableFunc(list, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	return list
}

// turns find what came of each moment.
func (ch *chronicle) turns(members, quorum int) (found []Turn) {
	moments := ch.moments(members)
	alive := 0
	for i, m := range moments {
		until := ch.ended
		if i+1 < len(moments) {
			until = moments[i+1].at
		}
		alive += m.change
		t := Turn{Event: m.name, Member: m.id, At: ch.since(m.at), Alive: alive, Outcome: nothing, moment: m}
		leader := ch.leaderAt(m.at)
		if leader != nil && m.change < 0 && leader.ID == m.id {
			leader = nil
		}
		switch {
		case leader == nil && alive >= quorum:
			if next := ch.firstAfter(m.at, m); next != nil {
				t.tell(beganToLead, next, next.From)
			}
		case leader != nil && alive >= quorum:
			t.tell(ledOn, leader, min(max(leader.To, m.at), until))
		case leader != nil:
			if last := ch.leaderAt(until - 1); last == nil {
				last = ch.lastBefore(until)
				t.tell(steppedDown, last, last.To)
				t.Reason = ch.ends[last.Term]
			} else {
				t.tell(ledOn, last, until)
			}
		}
		found = append(found, t)
	}
	return found
}

func (t *Turn) tell(what outcomeKind, of *belief, at time.Duration) {
	t.Outcome, t.Leader, t.Term, t.Took = what, of.ID, of.Term, Millis(at-t.moment.at)
}

// lastBefore is the leadership that began last before a moment.
func (ch *chronicle) lastBefore(at time.Duration) (last *belief) {
	for i, b := range ch.believed {
		if b.From < at {
			last = &ch.believed[i]
		}
	}
	return last
}

// leaderAt is whoever led at a moment, as far as the audit can tell: of a process that was killed
// there is no word that it led no longer.
func (ch *chronicle) leaderAt(at time.Duration) *belief {
	last := ch.lastBefore(at)
	if last != nil && last.Latest > last.To && last.Latest <= at {
		return nil
	}
	return last
}

// firstAfter is the first leadership that began after a moment, and not of a member that failed then.
func (ch *chronicle) firstAfter(at time.Duration, m moment) *belief {
	for i, b := range ch.believed {
		if b.From > at && (m.change > 0 || b.ID != m.id) {
			return &ch.believed[i]
		}
	}
	return nil
}

// report tells the result to people.
func (q *Quorum) report(width int) []line {
	width = min(max(width, minWidth), maxWidth) - 1
	lines := append([]line{{}}, flow([]line{
		{{bold, "Who believed to be the leader, and when"}},
		line{}.add(dim, "%d processes, a quorum of %d, a lease of %v", len(q.Members), q.Size, time.Duration(q.Lease)),
	}, 2, width)...)
	lines = append(lines, q.chronicle.timeline(width)...)
	lines = append(lines, quorumLegend(width)...)
	lines = append(lines, line{})
	for _, t := range q.Turns {
		lines = append(lines, labelled(t.label(), q.outcome(t), width)...)
	}
	lines = append(lines, line{})
	lines = append(lines, labelled(line{{bold, "  Requests to storage"}}, []line{q.Requests.line()}, width)...)
	lines = append(lines, line{})
	return append(append(lines, q.verdict(width)...), line{})
}

func (t *Turn) label() line {
	l := line{{plain, "  "}}
	if t.Member != "" {
		l = l.add(bold, "%s ", t.Member)
	}
	return l.add(plain, "%s: ", t.moment.done).add(bold, "%d alive", t.Alive)
}

func (q *Quorum) outcome(t Turn) []line {
	took := seconds(time.Duration(t.Took))
	switch t.Outcome {
	case beganToLead:
		return []line{line{}.add(bold, "%s", t.Leader).add(plain, " led after ").add(bold, "%s", took).add(plain, ", term %d", t.Term)}
	case ledOn:
		return []line{line{}.add(bold, "%s", t.Leader).add(plain, " led on")}
	case steppedDown:
		return []line{
			line{}.add(bold, "%s", t.Leader).add(plain, " stepped down after ").add(bold, "%s", took),
			line{}.add(dim, "%s; a lease, the grace period and a", cmp.Or(t.Reason.String(), "it did not say why")),
			line{}.add(dim, "heartbeat are %s", seconds(time.Duration(q.Bound))),
		}
	}
	return []line{{{plain, "nobody led"}}}
}

// quorumLegend explains the signs.
func quorumLegend(width int) []line {
	item := func(s style, sign, meaning string) line { return line{{s, sign}, {dim, " " + meaning}} }
	return append(
		flow([]line{
			{{inBlock, "1"}, {block, "██"}, {dim, " leads, in term 1"}}, item(dim, "───", "follows, or waits"), item(cold, "F░░T", "frozen"),
		}, labelWidth, width),
		flow([]line{
			item(hurt, "K", "killed"), item(bold, "S", "started again"), item(bold, "Q", "stepped down: quorum lost"),
		}, labelWidth, width)...)
}
