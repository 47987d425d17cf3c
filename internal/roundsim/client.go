package roundsim

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// client is one who asks, one question after the other.
type client struct {
	w      *world
	number int
	by     rounds.Candidate
	dice   dice
	calls  int
}

// live asks whatever comes to mind until ctx ends, first of all for the first round.
func (c *client) live(ctx context.Context) {
	d := c.dice
	operation, round, where := roundscheck.Elect, c.w.rounds[0], pick(d, c.w.sites)
	for ctx.Err() == nil {
		call, cancel := c.patience()
		out := c.ask(call, where, operation, round)
		cancel()
		pause := d.between(0, 2*time.Second)
		if d.chance(0.3) {
			pause = 0 // at the same time as others
		}
		sleep(ctx, pause)
		if again := d.chance(0.6); out.Answer != roundscheck.Unknown || !again {
			round = pick(d, c.w.rounds)
			operation = pick(d, []roundscheck.Operation{
				roundscheck.Elect, roundscheck.Elect, roundscheck.Elect, roundscheck.Elected,
				roundscheck.Complete, roundscheck.Complete, roundscheck.Completed,
			})
		}
		if d.chance(0.3) {
			where = pick(d, c.w.sites)
		}
	}
}

// patience is a context for one question: with a deadline, to be given up, or neither.
func (c *client) patience() (context.Context, context.CancelFunc) {
	d, limit := c.dice, c.dice.between(0, 4*time.Second)
	if d.chance(0.3) {
		limit = c.dice.between(0, 100*time.Millisecond)
	}
	switch d.IntN(3) {
	case 0:
		return context.WithTimeout(context.Background(), limit)
	case 1:
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(limit, cancel)
		return ctx, func() { timer.Stop(); cancel() }
	default:
		return context.WithCancel(context.Background())
	}
}

// ask asks the server that is there now, and has the answer judged.
func (c *client) ask(ctx context.Context, where *site, operation roundscheck.Operation, round string) roundscheck.Output {
	c.calls++
	i := &inquiry{
		client: c, server: where.now(), operation: operation, round: round,
		name: fmt.Sprintf("%d of client %d", c.calls, c.number), began: time.Since(c.w.began),
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, inquiryKey{}, i))
	defer cancel()
	alive := context.AfterFunc(i.server.ctx, cancel)
	defer alive()
	patient := context.AfterFunc(ctx, func() { i.givenUp.Store(int64(time.Since(c.w.began))) })
	defer patient()

	c.w.monitor.asks(i)
	call := c.w.history.Begin(c.number, round, operation, c.by)
	c.w.trace.add(i.String(), "asks %s: %v %s", i.server.name, operation, round)
	out, err := i.perform(ctx)
	c.w.trace.add(i.String(), "is told: %v %v", out, err)
	c.w.monitor.isTold(i, out, err)
	call.End(c.w.monitor.excuse(out))
	return out
}

// inquiry is one call of a service.
type inquiry struct {
	client    *client
	server    *server
	operation roundscheck.Operation
	round     string
	name      string
	began     time.Duration
	requests  atomic.Int64
	givenUp   atomic.Int64 // when its context ended, since the beginning; 0 if it has not
}

type inquiryKey struct{}

// inquiryOf is the inquiry that a request to the storage is for.
func inquiryOf(ctx context.Context) *inquiry {
	i, ok := ctx.Value(inquiryKey{}).(*inquiry)
	if !ok {
		panic("a request with the context of no call")
	}
	return i
}

// next names the next request.
func (i *inquiry) next() string {
	i.client.w.monitor.requested()
	return fmt.Sprintf("%d of %s", i.requests.Add(1), i.name)
}

func (i *inquiry) String() string { return fmt.Sprintf("client-%d", i.client.number) }

func (i *inquiry) perform(ctx context.Context) (roundscheck.Output, error) {
	switch service := i.server.service; i.operation {
	case roundscheck.Elect:
		won, state, err := service.Elect(ctx, system, i.round, i.client.by)
		return roundscheck.OfElect(won, state, err), err
	case roundscheck.Elected:
		state, err := service.Elected(ctx, system, i.round)
		return roundscheck.OfLook(state, err), err
	case roundscheck.Complete:
		state, err := service.Complete(ctx, system, i.round, i.client.by)
		return roundscheck.OfComplete(state, err), err
	default:
		state, err := service.Completed(ctx, system, i.round)
		return roundscheck.OfLook(state, err), err
	}
}
