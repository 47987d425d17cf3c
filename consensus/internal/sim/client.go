package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

// lateness is how long after the end of its context a call may still take.
const lateness = 50 * time.Millisecond

// client asks nodes, one thing after the other, and takes note of what they answer.
type client struct {
	world  *world
	number int
	dice   *dice
	hint   string            // whom it was told to ask
	seen   map[string]string // the last value it has seen of each key
}

func newClient(w *world, number int) *client {
	return &client{world: w, number: number, dice: w.diceFor(fmt.Sprint("client ", number)), seen: map[string]string{}}
}

// live works until ctx ends.
func (c *client) live(ctx context.Context) {
	for ctx.Err() == nil {
		if p := c.choose(); p != nil {
			c.ask(p, c.draw(p), c.dice.between(20*time.Millisecond, 2*time.Second))
		}
		pause(ctx, c.dice.between(time.Millisecond, c.world.pace))
	}
}

// choose is the node to ask: where a hint pointed to, usually.
func (c *client) choose() *process {
	if m := c.world.member(c.hint); m != nil && c.dice.chance(0.8) {
		if p := m.current.Load(); p != nil {
			return p
		}
	}
	c.hint = ""
	processes := c.world.processes()
	if len(processes) == 0 {
		return nil
	}
	return pick(c.dice, processes...)
}

// draw decides what to do.
func (c *client) draw(p *process) *Operation {
	o := &Operation{Client: c.number, Node: p.name(), Key: pick(c.dice, c.world.keys...)}
	switch kind := c.dice.part(); {
	case kind < 0.4:
		o.Kind = "read"
	case kind < 0.7:
		o.Kind = "set"
	case kind < 0.75:
		o.Kind = "delete"
	default:
		o.Kind = "cas"
		if old, ok := c.seen[o.Key]; ok {
			o.Old = &old
		}
	}
	if o.Kind != "read" && c.dice.chance(0.15) { // work that began in a term, perhaps in one that is over
		o.Bound = p.node.GetTerm()
		if c.dice.chance(0.3) && o.Bound > 1 {
			o.Bound--
		}
	}
	return o
}

// ask does an operation and takes note of it.
func (c *client) ask(p *process, o *Operation, limit time.Duration) {
	w := c.world
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	o.At = time.Since(w.began)
	w.history.begin(o)
	if o.Kind == "set" || o.Kind == "cas" {
		o.Value = fmt.Sprint("v", o.Number)
	}
	began := time.Now()
	answer, err := c.do(ctx, p, o)
	took := time.Since(began)
	o.Until = time.Since(w.began)
	c.judge(p, o, answer, err)
	w.history.end(o)
	w.trace.add(fmt.Sprint("client ", c.number), "%v", o)
	if took > limit+lateness && !p.isDead() {
		w.monitor.violate("late", "%v took %v, %v longer than its context", o, took, took-limit)
	}
}

func (c *client) do(ctx context.Context, p *process, o *Operation) (kv.Answer, error) {
	if o.Kind == "read" {
		value, err := c.world.options.Read(ctx, p.node, kv.Get{Key: o.Key})
		if err != nil {
			return kv.Answer{}, err
		}
		answer, _ := value.(kv.Answer)
		return answer, nil
	}
	result, err := p.node.ApplyResult(ctx, label{o.Number, o.Bound}.on(o.command()))
	if err != nil {
		return kv.Answer{}, err
	}
	o.Index, o.Term = result.Index, result.Term
	answer, ok := result.Value.(kv.Answer)
	if !ok {
		return answer, fmt.Errorf("the result is %T", result.Value)
	}
	return answer, nil
}

func (o *Operation) command() consensus.Command {
	switch o.Kind {
	case "set":
		return kv.Set(o.Key, o.Value)
	case "delete":
		return kv.Delete(o.Key)
	default:
		return kv.CompareAndSwap(o.Key, o.Old, o.Value)
	}
}

// judge decides what the client knows now. What a process answers after it has crashed, nobody hears.
func (c *client) judge(p *process, o *Operation, answer kv.Answer, err error) {
	switch {
	case p.isDead():
		o.Outcome, o.Error = Unknown, "the node has crashed"
	case err == nil:
		o.Outcome, o.Swapped = Done, answer.Swapped
		if o.Kind != "set" {
			o.Found, o.Saw = answer.Found, answer.Value
		}
		if answer.Found {
			c.seen[o.Key] = answer.Value
		} else {
			delete(c.seen, o.Key)
		}
		return
	case c.world.options.Unknown(err):
		o.Outcome, o.Error = Unknown, err.Error()
	default:
		o.Outcome, o.Error = Failed, err.Error()
		c.world.monitor.failure(o, err)
	}
	var elsewhere *consensus.NotLeaderError
	c.hint = ""
	if errors.As(err, &elsewhere) {
		c.hint = elsewhere.LeaderID
		c.world.monitor.pointed(p, elsewhere)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
