package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/supervise"
)

// leader is the part of an elector that a contest needs.
type leader interface {
	Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error
	Remaining() time.Duration
}

// contest runs a command whenever its elector leads, until the command has ended by itself.
type contest struct {
	elector      leader
	spec         supervise.Spec
	grace, lease time.Duration
	restart      restartPolicy
	delay        time.Duration
	log          *slog.Logger

	result *result // of the command; set at most once
}

// result is how the whole contest ended.
type result struct {
	code int
	err  error
}

// run returns the exit status of the command, or of a contest that was called off.
func (c *contest) run(ctx context.Context, signals <-chan os.Signal, abort func(code int)) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &gate{cancel: cancel, abort: abort, log: c.log}
	stopFollowing := g.follow(signals)
	defer stopFollowing()

	c.log.Info("contesting the leadership", "lease", c.lease)
	err := c.elector.Lead(ctx, func(ctx context.Context, term int64) error {
		signals, open := g.enter()
		if !open {
			return context.Canceled
		}
		defer g.leave()
		c.result = c.lead(ctx, term, signals)
		if c.result != nil {
			cancel() // the contest is over, even if the leadership ended a moment earlier
		}
		return nil
	})
	switch {
	case c.result != nil:
		return c.result.code, c.result.err
	case g.stopped() != nil:
		c.log.Info("called off", "signal", g.stopped())
		return signalCode(g.stopped()), nil
	default:
		return exitRun, err
	}
}

// lead runs the command in one leadership. It returns nil if that ended first.
func (c *contest) lead(ctx context.Context, term int64, signals <-chan syscall.Signal) *result {
	log := c.log.With("term", term)
	job := c.job(term)
	pause := backoff{first: c.delay}
	for {
		log.Info("leading: running the command", "command", c.spec.Args[0])
		began := time.Now()
		status, cause, err := job.Run(ctx, signals)
		if err != nil {
			return &result{exitRun, err}
		}
		log.Info("the command has ended", "how", status.String())
		switch {
		case cause == supervise.Stopped:
			return &result{status.ExitCode(), status.Err}
		case cause == supervise.Revoked && ctx.Err() != nil:
			return nil // the elector has said why
		case cause == supervise.Revoked:
			// Its guard has killed it: this process was stopped, or too slow to tell it of a renewal.
			log.Warn("the command was killed when its lease had almost run out; it runs again where this process still leads")
		case !c.restart.applies(status):
			return &result{status.ExitCode(), status.Err}
		}

		delay := pause.delay(time.Since(began))
		if cause != supervise.Revoked {
			log.Info("running the command again", "in", delay)
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		case <-signals:
			return &result{status.ExitCode(), status.Err}
		}
	}
}

// job is the command with the permission of one leadership.
func (c *contest) job(term int64) *supervise.Job {
	spec := c.spec
	spec.Env = append(spec.Env[:len(spec.Env):len(spec.Env)], "S3LECT_TERM="+strconv.FormatInt(term, 10))
	return &supervise.Job{
		Spec:      spec,
		Grace:     c.grace,
		Remaining: c.elector.Remaining,
		KillBy:    killBy,
		// A tenth of the lease is left when the leadership ends for lack of renewals. A fifth of
		// that, and not more than what a busy machine needs, is for killing.
		Margin:  min(c.lease/50, 200*time.Millisecond),
		Refresh: max(c.lease/50, time.Millisecond),
	}
}

func killBy(cause error) time.Time {
	var end *s3lect.LeadershipEnd
	if errors.As(cause, &end) {
		return end.Until
	}
	return time.Time{}
}

// gate brings the operator's signals to whoever has to act on them: the command while there is one,
// else the contest.
type gate struct {
	cancel func()
	abort  func(code int)
	log    *slog.Logger

	mu      sync.Mutex
	first   os.Signal
	command chan syscall.Signal // nil while no command runs
}

// follow acts on signals until the returned function, which waits for the end of it, is called.
func (g *gate) follow(signals <-chan os.Signal) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case s := <-signals:
				g.deliver(s)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

func (g *gate) deliver(s os.Signal) {
	g.tell(s)
	again, command := g.note(s)
	number, ok := s.(syscall.Signal)
	if !ok {
		number = syscall.SIGTERM
	}
	switch {
	case command != nil:
		select {
		case command <- number:
		default: // two are on their way already: even killing does not help
			g.abort(signalCode(s))
		}
	case again:
		g.abort(signalCode(s))
	default:
		g.cancel()
	}
}

// logPatience is for how long a signal waits to be logged. Where nobody reads the log, signals are
// the operator's way out.
const logPatience = time.Second

func (g *gate) tell(s os.Signal) {
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		g.log.Info("got a signal", "signal", s)
	}()
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-logged:
	case <-patience.C:
	}
}

func (g *gate) note(s os.Signal) (again bool, command chan syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	again = g.first != nil
	if !again {
		g.first = s
	}
	return again, g.command
}

// enter is called when a command is about to run. The gate is not open after a signal.
func (g *gate) enter() (signals <-chan syscall.Signal, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first != nil {
		return nil, false
	}
	g.command = make(chan syscall.Signal, 2)
	return g.command, true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.command = nil
	if g.first != nil {
		g.cancel()
	}
}

func (g *gate) stopped() os.Signal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first
}

func notFound(err error) bool {
	return errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}
