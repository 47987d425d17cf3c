// Command lead is a service of which several replicas run, and a background job in it that must run
// in one replica at a time. Start it twice, and end the one that works:
//
//	go run ./examples/lead -dir /tmp/jobs -id a
//	go run ./examples/lead -dir /tmp/jobs -id b
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect"
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
	flags := flag.NewFlagSet("lead", flag.ContinueOnError)
	dir := flags.String("dir", "/tmp/jobs", "`directory` that all replicas share")
	id := flags.String("id", "", "`ID` of this replica")
	if err := flags.Parse(args); err != nil {
		return err
	}
	storage, err := s3lect.NewMockStorage(*dir)
	if err != nil {
		return err
	}
	return serve(ctx, storage, *id, &job{name: *id, every: time.Second, out: out})
}

// serve would do here what every replica does. The job runs beside it, for as long as this replica
// leads.
func serve(ctx context.Context, storage s3lect.Storage, id string, j *job) error {
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: "cleanup.json",
			ServerID:     id,
			ServerAddr:   "localhost:8443",
		},
		Storage: storage,
	})
	if err != nil {
		return err
	}
	err = elector.Lead(ctx, j.run)
	if errors.Is(err, context.Canceled) {
		return nil // asked to end
	}
	return err
}

// job is the work of the leader: it does something at every tick.
type job struct {
	name  string
	every time.Duration
	out   io.Writer
}

// run returns soon after its context has ended, as whoever leads next relies on.
func (j *job) run(ctx context.Context, term int64) error {
	ticker := time.NewTicker(j.every)
	defer ticker.Stop()
	for {
		fmt.Fprintf(j.out, "%s cleans up, term %d\n", j.name, term)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			fmt.Fprintf(j.out, "%s stops: %v\n", j.name, context.Cause(ctx))
			return ctx.Err()
		}
	}
}
