package election

import (
	"context"
	"errors"
	"sync"
	"time"
)

// run opens everything, waits for the end, and closes everything.
func (e *Election) run(ctx context.Context) (err error) {
	broken := make(chan error, 1)
	votes, err := openVotes(e.config, e.members, func(err error) { broken <- err })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, votes.close()) }()

	// The engine is silent for one election time-out. If that was longer when the node last ran, so was its promise.
	earlier := votes.longestPromise()
	if !e.wait(ctx, earlier-e.config.ElectionTimeout) {
		return nil
	}
	g, err := e.startEngine(votes)
	if err != nil {
		return err
	}
	e.running.Store(g)
	defer e.running.Store(nil)
	finish := e.startGoroutines(ctx, g)

	var settled <-chan time.Time
	if earlier > e.config.ElectionTimeout {
		settled = time.After(e.config.ElectionTimeout)
	}
	for {
		select {
		case <-settled:
			_ = votes.settle(e.config.ElectionTimeout) // its error arrives at broken
		case err := <-broken:
			e.report(err)
			return errors.Join(err, finish())
		case <-ctx.Done():
			return finish()
		case <-e.stopping:
			return finish()
		}
	}
}

// wait says whether the time has passed without an end of the election.
func (e *Election) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-e.stopping:
	}
	return false
}

// startGoroutines starts what runs beside the engine. The function that it returns ends all of it, and the engine.
func (e *Election) startGoroutines(ctx context.Context, g *engine) (finish func() error) {
	ctx = context.WithoutCancel(ctx)
	asking, stopAsking := context.WithCancel(ctx)
	var probes sync.WaitGroup
	for _, node := range e.members.Nodes {
		if node.ID != e.config.Node.ID {
			probes.Go(func() { g.endpoint.probe(asking, node, e.config.ElectionTimeout) })
		}
	}
	calls := newCallbacks(e.config, e.report)
	called := make(chan error, 1)
	go func() { called <- calls.run(ctx) }()
	stopWatching, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(ctx, g, calls, stopWatching)
	}()

	return func() error {
		g.resigned.Store(true)
		close(stopWatching)
		<-watched
		patience := time.AfterFunc(e.config.CallBackTimeout, func() { close(calls.abandon) })
		leftBehind := <-called
		patience.Stop()
		g.handOn(e.config.ElectionTimeout)
		stopAsking()
		err := g.shutDown()
		probes.Wait()
		return errors.Join(leftBehind, err)
	}
}
