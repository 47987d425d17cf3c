package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// MemberCommand is the name of the hidden subcommand that runs RunMember.
const MemberCommand = "demo-member"

const (
	recordKey    = "leader.json"
	reportPeriod = 50 * time.Millisecond
	stopPatience = 2 * time.Second // for the elector's graceful stop
)

// MemberOptions say who a member is.
type MemberOptions struct {
	Dir      string // of the demo
	ID       string
	Start    int // 1 for the first process of this ID, 2 after a restart
	Lease    time.Duration
	Interval time.Duration // between two renewals, and between two reads
	Peers    bool          // ask the leader instead of reading
	Quorum   int           // members that have to be alive for one to lead; 0 where that does not matter
}

// Args are the arguments of the hidden subcommand, in the order in which ParseMember reads them.
func (o MemberOptions) Args() []string {
	return []string{o.ID, fmt.Sprint(o.Start), o.Lease.String(), o.Interval.String(), fmt.Sprint(o.Peers), fmt.Sprint(o.Quorum), o.Dir}
}

// ParseMember reads what Args wrote.
func ParseMember(args []string) (o MemberOptions, err error) {
	if len(args) != 7 {
		return o, fmt.Errorf("%s wants 7 arguments and got %d; it is started by s3lect demo, not by hand", MemberCommand, len(args))
	}
	o.ID, o.Dir = args[0], args[6]
	if _, err := fmt.Sscan(args[1], &o.Start); err != nil {
		return o, fmt.Errorf("start number %q: %w", args[1], err)
	}
	if o.Lease, err = time.ParseDuration(args[2]); err != nil {
		return o, fmt.Errorf("lease: %w", err)
	}
	if o.Interval, err = time.ParseDuration(args[3]); err != nil {
		return o, fmt.Errorf("interval: %w", err)
	}
	if o.Peers, err = strconv.ParseBool(args[4]); err != nil {
		return o, fmt.Errorf("peers: %w", err)
	}
	if o.Quorum, err = strconv.Atoi(args[5]); err != nil {
		return o, fmt.Errorf("quorum: %w", err)
	}
	return o, nil
}

func (o MemberOptions) name() string       { return fmt.Sprintf("%s.%d", o.ID, o.Start) }
func (o MemberOptions) storageDir() string { return filepath.Join(o.Dir, "storage") }
func (o MemberOptions) auditFile() string  { return filepath.Join(o.Dir, "audit", o.name()+".jsonl") }
func (o MemberOptions) logFile() string    { return filepath.Join(o.Dir, "log", o.name()+".log") }
func (o MemberOptions) certsDir() string   { return filepath.Join(o.Dir, "certs") }

// candidate is the part of an elector that a member uses.
type candidate interface {
	Start(ctx context.Context) error
	Stop() error
	IsLeader() bool
	Term() int64
	Remaining() time.Duration
	Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus]
	Resign(ctx context.Context) error
	TransferLeadership(ctx context.Context, serverID string) error
}

// newCandidate makes a member's elector on a storage.
type newCandidate func(MemberOptions, s3lect.Storage) (candidate, error)

// report is a line of a member's standard output.
type report struct {
	sample
	Follows  string   `json:"follows,omitempty"` // the leader this member last saw
	Ended    ending   `json:"ended,omitzero"`    // its last leadership, while it does not lead
	Samples  int64    `json:"samples"`
	Requests requests `json:"requests"`

	Answers string `json:"answers,omitempty"` // the command this is the answer to
	Error   string `json:"error,omitempty"`   // of that command; without one, of the member itself
}

// ending is the end of a leadership.
type ending struct {
	Term   int64            `json:"term"`
	Reason s3lect.EndReason `json:"reason"`
}

// RunMember takes part in the election of a demo, until its input ends or tells it to stop.
func RunMember(opts MemberOptions, in io.Reader, out io.Writer) error {
	return runMember(opts, in, out, newElector)
}

func newElector(opts MemberOptions, storage s3lect.Storage) (candidate, error) {
	config := &s3lect.ElectorConfig{
		LockfilePath:       recordKey,
		ServerID:           opts.ID,
		ServerAddr:         opts.ID + ".invalid:1", // nobody listens: members meet on the storage only
		LeaderTimeout:      opts.Lease,
		FrequentInterval:   opts.Interval,
		InfrequentInterval: opts.Interval,
		QuorumSize:         opts.Quorum,
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if opts.Peers {
		return newPeer(opts, config, storage, log)
	}
	return s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: log})
}

func runMember(opts MemberOptions, in io.Reader, out io.Writer, build newCandidate) error {
	storage, err := s3lect.NewMockStorage(opts.storageDir())
	if err != nil {
		return err
	}
	audit, err := os.OpenFile(opts.auditFile(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open audit: %w", err)
	}
	defer audit.Close()

	m := &member{link: &link{storage: storage}, out: json.NewEncoder(out), lease: opts.Lease}
	if m.candidate, err = build(opts, m.link); err != nil {
		return err
	}
	return m.run(in, audit)
}

// member is a process of the demo, seen from inside.
type member struct {
	candidate candidate
	link      *link
	lease     time.Duration
	samples   atomic.Int64
	status    atomic.Pointer[s3lect.LeadershipStatus]

	mu  sync.Mutex // guards out
	out *json.Encoder
}

func (m *member) run(in io.Reader, audit io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	sampleNow, reportNow := newBell(), newBell()
	s := &sampler{candidate: m.candidate, audit: audit, kick: sampleNow, changed: reportNow.ring}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.run(ctx, func() { m.samples.Add(1) }); err != nil {
			m.report(report{Error: err.Error()})
		}
	})
	defer wg.Wait()
	defer cancel()

	if err := m.candidate.Start(context.Background()); err != nil {
		return err
	}
	wg.Go(func() { m.watch(ctx, sampleNow) })
	wg.Go(func() { m.reportRegularly(ctx, reportNow) })
	err := m.obey(in)
	return errors.Join(err, m.stop())
}

// bell is rung to have something done soon; ringing never blocks.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default: // it is about to be done
	}
}

// watch has a sample taken at each change, rather than with the next tick.
func (m *member) watch(ctx context.Context, sampleNow bell) {
	for status := range m.candidate.Watch(ctx) {
		sampleNow.ring()
		m.status.Store(&status)
	}
}

func (m *member) reportRegularly(ctx context.Context, now bell) {
	tick := time.NewTicker(reportPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-now:
		}
		m.report(report{})
	}
}

// report tells the parent how things stand. It can block, if the parent does not listen.
func (m *member) report(r report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.sample = take(m.candidate)
	r.Samples, r.Requests = m.samples.Load(), m.link.requests()
	if status := m.status.Load(); status != nil {
		r.Follows = status.LeaderID
		r.Ended = ending{status.EndedTerm, status.EndReason}
	}
	_ = m.out.Encode(r) // if nobody listens any more, the input ends too
}

// obey carries out the commands that come in, one after the other.
func (m *member) obey(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		command := lines.Text()
		if command == "stop" {
			return nil
		}
		answer := report{Answers: command}
		if err := m.carryOut(command); err != nil {
			answer.Error = err.Error()
		}
		m.report(answer)
	}
	return lines.Err()
}

func (m *member) carryOut(command string) error {
	ctx, cancel := context.WithTimeout(context.Background(), m.lease)
	defer cancel()
	verb, name, _ := strings.Cut(command, " ")
	switch verb {
	case "resign":
		return m.candidate.Resign(ctx)
	case "transfer":
		return m.candidate.TransferLeadership(ctx, name)
	case "cut":
		m.link.cut.Store(true)
	case "heal":
		m.link.cut.Store(false)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
	return nil
}

// stop ends the elector gracefully. It gives up in time to end with the parent, whatever happens.
func (m *member) stop() error {
	stopped := make(chan error, 1)
	go func() { stopped <- m.candidate.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopPatience):
		return fmt.Errorf("the elector did not stop within %v", stopPatience)
	}
}
