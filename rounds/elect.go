package rounds

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"
)

// An election is what a candidate is told.
type election struct {
	won    bool
	record record
}

func (r *Rounds) elect(ctx context.Context, at place, candidate Candidate) (election, error) {
	if candidate.ID == "" {
		return r.electAnonymous(ctx, at, candidate)
	}
	decided, err := r.decide(ctx, at, candidate, &claim{})
	return election{err == nil && decided.Elected.is(candidate), decided}, err
}

// electAnonymous stands in for an undecided call from the same address, if there was one. A claim is
// told to have won at most once.
func (r *Rounds) electAnonymous(ctx context.Context, at place, candidate Candidate) (_ election, err error) {
	earlier := r.undecided.take(at.key, candidate.Address)
	mine := &claim{id: cmp.Or(earlier, rand.Text()), sent: earlier != ""}
	told := false
	defer func() {
		if mine.sent && !told { // also where the storage panics, or has something else in the round's place now
			r.undecided.put(at.key, candidate.Address, mine.id)
		}
	}()
	decided, err := r.decide(ctx, at, candidate, mine)
	if err != nil {
		return election{}, err
	}
	earlierWon := r.undecided.takeWinner(at.key, candidate.Address, decided.Claim)
	won := decided.Claim == mine.id || earlierWon
	told = true
	if won && ctx.Err() != nil { // nobody waits for the answer any more
		r.undecided.put(at.key, candidate.Address, decided.Claim)
		return election{}, undecided(context.Cause(ctx))
	}
	return election{won, decided}, nil
}

// A claim is that of one call of an anonymous candidate.
type claim struct {
	id   string
	sent bool // whether it may have landed
}

// decide returns the record of the round once somebody has won it: the candidate, where it can.
func (r *Rounds) decide(ctx context.Context, at place, candidate Candidate, mine *claim) (record, error) {
	proposal := func(current record) record {
		current.Elected = candidate.now()
		current.Claim = mine.id
		mine.sent = true
		return current
	}
	if r.creator != nil && !r.decided.has(at.key) { // one request for winners and losers alike
		first := proposal(newRecord(at))
		first.Version = 1
		current, created, err := r.create(ctx, at, first)
		if isFinal(err) || err == nil && current.Elected != nil {
			if !created && err == nil {
				r.decided.add(at.key) // who asks again, or as well, can look at once
			}
			return current, err
		}
	}
	return r.update(ctx, at, func(current record) (record, bool, error) {
		if current.Elected != nil {
			return current, false, nil
		}
		return proposal(current), true, nil
	})
}

// now is an event of the candidate's.
func (c Candidate) now() *Event {
	return &Event{ID: c.ID, Address: c.Address, At: time.Now().UTC().Truncate(time.Millisecond)}
}
