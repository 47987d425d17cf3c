package rounds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

const (
	// MinPruneAge is the least age of rounds that Prune removes: clocks of machines differ.
	MinPruneAge = time.Hour

	pruneWorkers = 16
)

// PruneOptions change what [Rounds.Prune] does by default.
type PruneOptions struct {
	// DryRun has nothing removed.
	DryRun bool
	// Report, if there is one, is called for each round that was removed, or would be; never twice
	// at the same time, and in no order.
	Report func(State)
	// ReportForeign, if there is one, is called with the key of each object below the prefix that is
	// no round; never twice at the same time, in the order of the keys, before anything is removed.
	ReportForeign func(key string)
}

// PruneResult counts what [Rounds.Prune] has found.
type PruneResult struct {
	Removed int // also those that a dry run would have removed
	Kept    int
	Foreign int // objects below the prefix that are no rounds; they are kept
}

// Prune removes the records of rounds of which nothing was heard for the given time, at least
// [MinPruneAge], by the clocks of those who recorded them and of this machine. The latest round of
// each system is kept, however old it is. A removed round can be won again: choose a time after
// which nobody asks for an old round any more, and no job still runs.
//
// It reads every round, some at the same time, and those that it removes once more: only a completion
// that is recorded in the moment between the two is lost. The storage must have the capabilities
// [s3lect.Lister] and [s3lect.Deleter], otherwise the error is errors.ErrUnsupported. After an error
// the result tells what was done before.
func (r *Rounds) Prune(ctx context.Context, olderThan time.Duration, options PruneOptions) (PruneResult, error) {
	if olderThan < MinPruneAge {
		return PruneResult{}, fmt.Errorf("prune rounds: an age of %v is less than %v", olderThan, MinPruneAge)
	}
	lister, lists := r.storage.(s3lect.Lister)
	deleter, deletes := r.storage.(s3lect.Deleter)
	if !lists || !deletes {
		return PruneResult{}, fmt.Errorf("prune rounds: this storage (%T) cannot list and delete: %w", r.storage, errors.ErrUnsupported)
	}
	p := &pruning{rounds: r, cutoff: time.Now().Add(-olderThan), options: options, latest: map[string]State{}}
	err := p.collect(ctx, lister)
	p.reportForeign()
	if err != nil {
		return p.result, fmt.Errorf("prune rounds: %w", err)
	}
	if err := p.remove(ctx, deleter); err != nil {
		return p.result, fmt.Errorf("prune rounds: %w", err)
	}
	return p.result, nil
}

// A pruning is one run of Prune.
type pruning struct {
	rounds  *Rounds
	cutoff  time.Time
	options PruneOptions

	mu      sync.Mutex // guards what follows
	result  PruneResult
	foreign []string // keys
	old     []State
	latest  map[string]State // by system
}

// collect finds the old rounds, and the latest of each system.
func (p *pruning) collect(ctx context.Context, lister s3lect.Lister) error {
	keys := map[string]struct{}{} // a list may name a key twice
	for key, err := range lister.List(ctx, p.rounds.prefix+"/") {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		keys[key] = struct{}{}
	}
	list := make([]place, 0, len(keys))
	for key := range keys {
		if at, ok := p.rounds.placeOf(key); ok {
			list = append(list, at)
		} else {
			p.foreign = append(p.foreign, key)
		}
	}
	return eachAtOnce(ctx, list, p.sort)
}

// sort puts a round where it belongs.
func (p *pruning) sort(ctx context.Context, at place) error {
	found, err := p.rounds.present(ctx, at)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case isFinal(err):
		p.foreign = append(p.foreign, at.key)
		return nil
	case err != nil:
		return err
	case found.Version == 0:
		return nil // has gone meanwhile
	}
	if latest, ok := p.latest[at.system]; !ok || latest.last().Before(found.last()) {
		p.latest[at.system] = found.State
	}
	if found.last().Before(p.cutoff) {
		p.old = append(p.old, found.State)
	} else {
		p.result.Kept++
	}
	return nil
}

func (p *pruning) reportForeign() {
	p.result.Foreign = len(p.foreign)
	if p.options.ReportForeign == nil {
		return
	}
	slices.Sort(p.foreign)
	for _, key := range p.foreign {
		p.options.ReportForeign(key)
	}
}

func (p *pruning) remove(ctx context.Context, deleter s3lect.Deleter) error {
	slices.SortFunc(p.old, func(a, b State) int { return a.last().Compare(b.last()) })
	return eachAtOnce(ctx, p.old, func(ctx context.Context, old State) error {
		removed, err := p.removeOne(ctx, deleter, old)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case err != nil:
			return err
		case !removed:
			p.result.Kept++
		default:
			p.result.Removed++
			if p.options.Report != nil {
				p.options.Report(old)
			}
		}
		return nil
	})
}

// removeOne looks once more, since the round may have been completed while others were read.
func (p *pruning) removeOne(ctx context.Context, deleter s3lect.Deleter, old State) (removed bool, err error) {
	if p.latest[old.System].Round == old.Round {
		return false, nil
	}
	if p.options.DryRun {
		return true, nil
	}
	at, err := p.rounds.place(old.System, old.Round)
	if err != nil {
		return false, err
	}
	present, err := p.rounds.present(ctx, at)
	switch {
	case err != nil:
		return false, err
	case present.Version == 0:
		return true, nil // by somebody else
	case present.Version != old.Version || !present.last().Equal(old.last()):
		return false, nil
	}
	_, err = request(ctx, p.rounds, func(ctx context.Context) (object, error) {
		return object{}, deleter.Delete(ctx, at.key)
	})
	return true, err
}

// last is when something was heard of the round for the last time.
func (s State) last() time.Time {
	var last time.Time
	for _, e := range []*Event{s.Elected, s.Completed} {
		if e != nil && e.At.After(last) {
			last = e.At
		}
	}
	return last
}

// eachAtOnce calls work for all items, several at a time, until one fails.
func eachAtOnce[T any](ctx context.Context, items []T, work func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var workers sync.WaitGroup
	for range min(pruneWorkers, len(items)) {
		workers.Go(func() {
			for item := range next {
				if err := work(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		next <- item
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
