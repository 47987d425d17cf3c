package s3lect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// Elector is what programs that need a leader depend on. It never gains a method, so that fakes of
// it keep compiling; what [S3Elector] can do beyond it are methods of that type alone.
type Elector interface {
	// Start begins to contest the leadership and returns at once. Cancelling its context is a
	// graceful stop.
	Start(ctx context.Context) error
	// Stop ends the contest, releases the leadership if it is held, and waits until everything has
	// ended.
	Stop() error
	// IsLeader reports whether this process leads, now.
	IsLeader() bool
	// WaitForLeadership returns nil once this process leads.
	WaitForLeadership(ctx context.Context) error
	// WaitForNextElection returns after the first check that completed after since.
	WaitForNextElection(ctx context.Context, since time.Time) (*LeadershipStatus, error)
	// LeaderID is the ServerID of the leader last seen; empty while there is none.
	LeaderID() string
	// GetLeadershipStatus returns a copy of everything that is known.
	GetLeadershipStatus() *LeadershipStatus
	// EnablePeerMode turns peer mode on, with PEM certificates to check leaders' certificates against.
	EnablePeerMode(caCert []byte) error
	// UpdateConfig replaces the configuration of a running or stopped elector.
	UpdateConfig(newConfig ElectorConfig) error
	// GetConfig returns a copy of the configuration, defaults filled in.
	GetConfig() *ElectorConfig
}

var _ Elector = (*S3Elector)(nil)

// S3ElectorOptions are the parts an elector is built from.
type S3ElectorOptions struct {
	// Config says who this candidate is. It is copied. Required.
	Config *ElectorConfig
	// Storage holds the leader record. Required.
	Storage Storage
	// Logger receives what happens. Defaults to slog.Default().
	Logger *slog.Logger
	// Env replaces the clocks and the randomness in the simulation. Leave it nil.
	Env *env.Env
}

// S3Elector is one candidate in an election. All its methods are safe for concurrent use.
type S3Elector struct {
	storage Storage
	log     *slog.Logger // behind logs
	logs    logQueue
	env     *env.Env

	trust atomic.Pointer[trust] // nil while not leading

	mu      sync.Mutex     // guards what follows; never held during I/O or a hook
	config  *ElectorConfig // never changed, only replaced
	run     *run           // nil while stopped
	work    *assignment    // of the Lead that runs; nil if none does
	status  LeadershipStatus
	feed    *change       // the latest change of status; the next one is linked to it
	checked chan struct{} // closed when a check completes; nil while nobody waits for that
	podium  *podium       // nil if no peer has ever asked
	// attending is whom this elector has heard from; nil until somebody wants to know.
	attending *roster.Attendance

	// machine outlives a run, because what was seen of the terms under its key must. It is nil while
	// nothing was seen.
	machine *lease.Machine
}

// trust is what IsLeader rests on: a term, and the moment until which no other candidate can have
// claimed.
type trust struct {
	term  int64
	until lease.Instant
}

// NewS3Elector returns an elector that is not started. It does no I/O, but for a look at the
// certificates of peer mode.
func NewS3Elector(opts S3ElectorOptions) (*S3Elector, error) {
	if opts.Config == nil {
		return nil, errors.New("S3ElectorOptions.Config is required")
	}
	if opts.Storage == nil {
		return nil, errors.New("S3ElectorOptions.Storage is required: open one with OpenS3Storage, or NewMockStorage for a directory")
	}
	config := opts.Config.clone()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("elector configuration: %w", err)
	}
	e := &S3Elector{
		storage: opts.Storage,
		log:     opts.Logger,
		env:     opts.Env,
		config:  &config,
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	e.log = slog.New(queuedHandler{e.log.Handler(), &e.logs})
	if e.env == nil {
		e.env = env.System()
	}
	e.feed = &change{more: make(chan struct{})}
	e.introduce(e.config)
	return e, nil
}

// Start begins to contest the leadership in the background and returns. What goes wrong is then
// found in the status and the log, and is tried again. When ctx ends the elector stops in the
// ordinary way, resignation included; Stop waits for that. A stopped elector can be started again.
// The error is ErrAlreadyStarted on one that runs or is still stopping.
func (e *S3Elector) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.run != nil {
		return ErrAlreadyStarted
	}
	e.run = newRun(ctx, e, nil)
	go e.run.loop(ctx)
	return nil
}

// Stop ends the contest and returns once everything has ended: the leadership, the work and the
// hooks, the resignation, and the requests, except those of a storage that ignores its context.
// The error says that a leadership could not be released; it then lapses with its lease. On an
// elector that is not running Stop does nothing. It must not be called from a hook or from work.
func (e *S3Elector) Stop() error {
	e.mu.Lock()
	r := e.run
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.halt()
}

// IsLeader reports whether this process leads, now. It takes no lock and compares with the clock on
// each call, so that it is right even while the rest of the elector hangs.
func (e *S3Elector) IsLeader() bool {
	t := e.trust.Load()
	return t != nil && e.env.Now().Before(t.until)
}

// Term returns the fencing token of the present leadership, 0 when this process does not lead. Hand
// it to whatever the leader changes, and have that refuse a lower term than it has seen.
func (e *S3Elector) Term() int64 {
	if t := e.trust.Load(); t != nil && e.env.Now().Before(t.until) {
		return t.term
	}
	return 0
}

// Remaining returns for how long the leadership is still guaranteed without another renewal, 0 when
// this process does not lead.
func (e *S3Elector) Remaining() time.Duration {
	if t := e.trust.Load(); t != nil {
		return e.env.Now().Until(t.until)
	}
	return 0
}

// LeaderID returns the ServerID of the leader last seen; empty while there is none, also when the lease of
// the last one is known to have run out.
func (e *S3Elector) LeaderID() string { return e.GetLeadershipStatus().LeaderID }

// GetLeadershipStatus returns a copy of everything that is known.
func (e *S3Elector) GetLeadershipStatus() *LeadershipStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	status := e.status
	status.IsLeader = e.IsLeader()
	return &status
}

// Resign ends the leadership of this process in the ordinary order and returns once the resignation
// is written; the error says so if it could not be. The elector goes on contesting after a pause of
// one lease, in which another candidate can win. From a hook or from the work of Lead, called with
// the context they were given, it only sets things going. The error is ErrNotLeader where there is
// nothing to give up.
func (e *S3Elector) Resign(ctx context.Context) error { return e.resign(ctx, "") }

// TransferLeadership is Resign in favour of the candidate with the given ServerID: for one lease
// nobody else claims. It returns once the handover is written; whether the successor is there to
// take it only the record will show.
func (e *S3Elector) TransferLeadership(ctx context.Context, serverID string) error {
	if err := checkIdentifier("the successor's ServerID", serverID); err != nil {
		return err
	}
	if serverID == e.current().ServerID {
		return fmt.Errorf("cannot transfer the leadership to this candidate itself, %q", serverID)
	}
	return e.resign(ctx, serverID)
}

func (e *S3Elector) resign(ctx context.Context, successor string) error {
	r := e.running()
	if r == nil {
		return ErrNotLeader
	}
	released := make(chan error, 1)
	inside := ctx.Value(insideKey{e}) != nil
	if !r.do(func(now lease.Instant) { r.resign(now, successor, inside, released) }) {
		return ErrNotLeader
	}
	select {
	case err := <-released:
		return err
	default: // first, because the context of work ends by its own resignation
	}
	select {
	case err := <-released:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the resignation to be written: %w", ctx.Err())
	}
}

// EnablePeerMode sets PeerMode and PeerCACert in the configuration: PEM certificates to check
// leaders' certificates against. None leaves that to PeerCAFile, or, without that and a client
// certificate, to the default transport of net/http. Certificates that cannot be used are an error
// here, and change nothing.
func (e *S3Elector) EnablePeerMode(caCert []byte) error {
	for {
		before := e.current()
		config := before.clone()
		config.PeerMode, config.PeerCACert = true, slices.Clone(caCert)
		if err := config.changedFrom(before); err != nil {
			return fmt.Errorf("elector configuration: %w", err)
		}
		if e.replaceConfig(before, &config) {
			return nil
		}
	}
}

// UpdateConfig replaces the configuration, at once. A leader publishes a new lease with its next
// write, which it sends immediately. Another LockfilePath or ServerID is a graceful end of the
// present contest and a fresh start. A configuration that is not valid changes nothing. Files with
// certificates are looked at only if others are named than before, or peer mode is turned on.
func (e *S3Elector) UpdateConfig(newConfig ElectorConfig) error {
	config := newConfig.clone()
	if err := config.changedFrom(e.current()); err != nil {
		return fmt.Errorf("elector configuration: %w", err)
	}
	e.replaceConfig(nil, &config)
	return nil
}

// replaceConfig makes a configuration the present one, unless another than before has become that
// meanwhile; before is nil if that does not matter.
func (e *S3Elector) replaceConfig(before, config *ElectorConfig) bool {
	e.mu.Lock()
	if before != nil && e.config != before {
		e.mu.Unlock()
		return false
	}
	e.config = config
	r := e.run
	if r == nil {
		e.introduce(e.config)
	}
	e.mu.Unlock()
	if r != nil {
		r.do(r.reconfigure)
	}
	return true
}

// GetConfig returns a copy of the configuration, defaults filled in.
func (e *S3Elector) GetConfig() *ElectorConfig {
	config := e.current().clone()
	return &config
}

// current returns the configuration itself. It is not to be changed.
func (e *S3Elector) current() *ElectorConfig {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.config
}

// running returns the present run, or nil.
func (e *S3Elector) running() *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.run
}

// insideKey marks the contexts of an elector's hooks and work, also where those of another run
// inside them.
type insideKey struct{ e *S3Elector }
