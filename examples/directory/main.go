// Command directory is one candidate in an election on a directory of this machine. Run it in
// several terminals, each with an ID of its own, and end the one that leads:
//
//	go run ./examples/directory -dir /tmp/jobs -id a
//	go run ./examples/directory -dir /tmp/jobs -id b
package main

import (
	"context"
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
	flags := flag.NewFlagSet("directory", flag.ContinueOnError)
	dir := flags.String("dir", "/tmp/jobs", "`directory` that all candidates share")
	id := flags.String("id", "", "`ID` of this candidate")
	lease := flags.Duration("lease", s3lect.DefaultLeaderTimeout, "`time` for which a silent leader keeps others out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	storage, err := s3lect.NewMockStorage(*dir)
	if err != nil {
		return err
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath:       "leader.json",
			ServerID:           *id,
			ServerAddr:         "localhost:8443", // where others would find this candidate
			LeaderTimeout:      *lease,
			InfrequentInterval: max(*lease/3, time.Millisecond), // reading a file costs nothing: look often
		},
		Storage: storage,
	})
	if err != nil {
		return err
	}
	if err := elector.Start(ctx); err != nil {
		return err
	}
	for status := range elector.Watch(ctx) {
		fmt.Fprintln(out, describe(status))
	}
	return elector.Stop() // waits until the leadership is released
}

func describe(s s3lect.LeadershipStatus) string {
	switch {
	case s.LastError != "":
		return "in trouble: " + s.LastError
	case s.IsLeader:
		return fmt.Sprintf("%s leads, term %d", s.ServerID, s.Term)
	case s.LeaderID != "":
		return fmt.Sprintf("%s follows %s, term %d", s.ServerID, s.LeaderID, s.Term)
	default:
		return s.ServerID + " sees no leader"
	}
}
