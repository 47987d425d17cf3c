// Package rounds elects one candidate per round. Five copies of a scheduler wake up at 08:00 and
// one must do the job: each asks whether it is the one for the round "2026-11-21T08:00" of the
// system "billing", and exactly one is told yes. They need no session and no lease; [NewHandler]
// answers programs in any language over HTTP.
//
// # What is promised
//
// A round is won once, by one candidate, and is never released: whether the winner is quick, slow
// or dead changes nothing. Provided that the storage keeps the contract of [s3lect.Storage], and
// that the record of the round is not removed: a round whose record has expired ([Options]) or was
// pruned ([Rounds.Prune]) can be won again, so both must be older than anything anybody still asks
// for. No clock decides anything else.
//
// A winner that dies leaves its round undone. Nobody else is elected for it: the next round is the
// next chance. Who wants a job to be taken over needs a leader ([s3lect.Elector]) instead.
//
// # Who asks
//
// A candidate with an ID may ask as often as it likes, also through several servers: once it has
// won, it is told so again, and a lost answer costs nothing. Two programs must never share an ID.
// An anonymous candidate wins by one call alone, because many programs can share an address: whoever
// asks next is told that somebody else is elected. HTTP clients that repeat a request by themselves when
// a connection breaks, as that of net/http does, can lose a round so. Only where a call has ended in [ErrUndecided] the next
// anonymous one from the same address to the same Rounds stands in for it, so that the round is not
// lost. Where several have ended so, each of the next ones stands in for one of them, the oldest first;
// whichever of their claims has won, one call is told.
package rounds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/abandon"
	"github.com/seed-6dc909bb/s3lect/internal/env"
)

const (
	// DefaultPrefix is where rounds are kept on a storage, if Options say nothing.
	DefaultPrefix = "rounds"

	// MinRetention is the shortest time for which rounds may be kept.
	MinRetention = time.Minute
)

// Options change what [New] does by default.
type Options struct {
	// Prefix is what the keys of all rounds begin with: one or more names as those of systems are,
	// separated by slashes. Servers that are to decide together need the same one. Defaults to
	// "rounds".
	Prefix string

	// Retention is for how long a round is kept after somebody has won it; its record then vanishes
	// by itself, and it can be won again. It must be longer than the longest job, and than anybody
	// may still ask for an old round; at least [MinRetention]. Only for storages with the capability
	// [s3lect.Creator], such as Redis. Defaults to for ever; see also [Rounds.Prune].
	Retention time.Duration

	// Env replaces the randomness of pauses in the simulation. Leave it nil.
	Env *env.Env
}

// Rounds holds elections on a storage. Any number of Rounds, in any number of processes, may share
// one. All methods are safe for concurrent use.
//
// Calls end with their context, and without one after a few attempts, each of which is bounded in
// time. Their errors are *[IdentifierError] and *[RecordError], for which asking again is of no use;
// [ErrNotElected] and [ErrAlreadyCompleted] of Complete; and [ErrUndecided] with the storage's error
// for everything else.
type Rounds struct {
	storage   s3lect.Storage
	creator   s3lect.Creator // nil if the storage is none
	prefix    string
	retention time.Duration
	env       *env.Env
	undecided undecidedClaims
	decided   decidedRounds

	heedsContexts bool           // whether the storage does; if not:
	underWay      *abandon.Limit // requests that can be left behind
}

// New returns Rounds on a storage. It makes no request. Errors name the option.
func New(storage s3lect.Storage, options Options) (*Rounds, error) {
	if storage == nil {
		return nil, errors.New("rounds: the storage is nil")
	}
	r := &Rounds{
		storage:   storage,
		prefix:    cmp.Or(options.Prefix, DefaultPrefix),
		retention: options.Retention,
		env:       cmp.Or(options.Env, env.System()),

		underWay: abandon.NewLimit(maxUnderWay),
	}
	if err := checkPrefix(r.prefix); err != nil {
		return nil, fmt.Errorf("rounds: %w", err)
	}
	r.creator, _ = storage.(s3lect.Creator)
	if heeder, ok := storage.(s3lect.ContextHeeder); ok {
		r.heedsContexts = heeder.HeedsContexts()
	}
	switch {
	case r.retention == 0:
	case r.retention < MinRetention:
		return nil, fmt.Errorf("rounds: Retention %v is less than %v: a round could be won twice", r.retention, MinRetention)
	case r.creator == nil:
		return nil, fmt.Errorf("rounds: Retention %v: objects do not expire by themselves on this storage (%T); prune them instead", r.retention, storage)
	}
	return r, nil
}

// Elect tells whether the candidate is the one for the round, and makes it that if nobody is yet.
// The state says who is, whatever the answer, and can be newer than the election itself. After an error nobody was told anything, although the
// candidate may have won: it should ask again.
func (r *Rounds) Elect(ctx context.Context, system, round string, candidate Candidate) (won bool, state State, err error) {
	at, err := r.place(system, round)
	if err != nil {
		return false, State{}, err
	}
	if err := candidate.check(); err != nil {
		return false, State{}, err
	}
	mine, err := r.elect(ctx, at, candidate)
	if err != nil {
		return false, State{}, fmt.Errorf("elect for %s: %w", at, err)
	}
	return mine.won, mine.record.State, nil
}

// Elected tells who has won the round: nobody yet where state.Elected is nil.
func (r *Rounds) Elected(ctx context.Context, system, round string) (State, error) {
	return r.look(ctx, system, round)
}

// Complete records that the candidate has done what it was elected for. One with an ID must have
// been elected. Anonymous ones may complete what was not won with an ID, first come, first served.
// Who has completed already and asks again is told so.
func (r *Rounds) Complete(ctx context.Context, system, round string, candidate Candidate) (State, error) {
	at, err := r.place(system, round)
	if err != nil {
		return State{}, err
	}
	if err := candidate.check(); err != nil {
		return State{}, err
	}
	done, err := r.complete(ctx, at, candidate)
	if err != nil {
		return done.State, fmt.Errorf("complete %s: %w", at, err)
	}
	return done.State, nil
}

// Completed tells who has completed the round: nobody yet where state.Completed is nil.
func (r *Rounds) Completed(ctx context.Context, system, round string) (State, error) {
	return r.look(ctx, system, round)
}

func (r *Rounds) look(ctx context.Context, system, round string) (State, error) {
	at, err := r.place(system, round)
	if err != nil {
		return State{}, err
	}
	found, err := r.present(ctx, at)
	if err != nil {
		return State{}, fmt.Errorf("look at %s: %w", at, err)
	}
	return found.State, nil
}
