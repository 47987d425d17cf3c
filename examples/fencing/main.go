// Command fencing shows what the term is for. Two candidates share a ledger. The first one leads,
// loses its storage, and goes on as if nothing had happened, as a process does that was paused in
// the wrong moment. The second one takes over. When the first one writes at last, the ledger refuses
// it: its term is too low.
//
//	go run ./examples/fencing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fencing", flag.ContinueOnError)
	lease := flags.Duration("lease", 3*time.Second, "`time` for which a silent leader keeps others out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	storage := memory.New()
	s := &story{
		storage: storage,
		severed: &severable{Storage: storage},
		ledger:  &ledger{storage, "ledger.json"},
		lease:   *lease,
		out:     out,
		leading: make(chan struct{}),
		taken:   make(chan struct{}),
		told:    make(chan struct{}),
		quit:    ctx.Done(),
	}
	return s.tell(ctx)
}

type story struct {
	storage s3lect.Storage
	severed *severable // the first candidate's way to the storage
	ledger  *ledger
	lease   time.Duration
	out     io.Writer

	leading chan struct{} // closed when the first one leads and has written
	taken   chan struct{} // closed when the second one has taken over and written
	told    chan struct{} // closed at the end
	quit    <-chan struct{}
}

func (s *story) tell(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.contest(ctx, "first", s.severed, s.first) }()
	select {
	case <-s.leading:
	case err := <-ended:
		return err
	}
	err := s.contest(ctx, "second", s.storage, s.second)
	cancel()
	if first := <-ended; !errors.Is(first, context.Canceled) {
		return first
	}
	return err
}

// first ignores that its context ends. Nobody should, but a paused process does.
func (s *story) first(ctx context.Context, term int64) error {
	always := context.WithoutCancel(ctx)
	s.write(always, "first", term)
	close(s.leading)
	s.severed.on.Store(true)
	<-ctx.Done()
	fmt.Fprintf(s.out, "first: %v\n", context.Cause(ctx))
	s.await(s.taken)
	s.write(always, "first", term)
	close(s.told)
	return ctx.Err()
}

func (s *story) second(ctx context.Context, term int64) error {
	s.write(ctx, "second", term)
	close(s.taken)
	s.await(s.told)
	return nil
}

func (s *story) await(event <-chan struct{}) {
	select {
	case <-event:
	case <-s.quit:
	}
}

func (s *story) write(ctx context.Context, name string, term int64) {
	if err := s.ledger.write(ctx, term, "by "+name); err != nil {
		fmt.Fprintf(s.out, "%s: %v\n", name, err)
		return
	}
	fmt.Fprintf(s.out, "%s: write with term %d: done\n", name, term)
}

func (s *story) contest(ctx context.Context, id string, storage s3lect.Storage, work func(context.Context, int64) error) error {
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath:  "leader.json",
			ServerID:      id,
			ServerAddr:    "localhost:8443",
			LeaderTimeout: s.lease,
		},
		Storage: storage,
		Logger:  slog.New(slog.DiscardHandler), // the story speaks for itself
	})
	if err != nil {
		return err
	}
	return elector.Lead(ctx, work)
}

// severable is a way to the storage that can be severed.
type severable struct {
	s3lect.Storage
	on atomic.Bool
}

var errSevered = errors.New("the storage cannot be reached")

func (s *severable) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	if s.on.Load() {
		return nil, "", errSevered
	}
	return s.Storage.Get(ctx, key)
}

func (s *severable) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	if s.on.Load() {
		return errSevered
	}
	return s.Storage.PutIfMatch(ctx, key, data, etag)
}
