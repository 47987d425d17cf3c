// Command quorum is a member of a fleet that wants a leader only while enough of it is alive. Start three
// of them, each with an ID of its own, and end one after the other:
//
//	go run ./examples/quorum -dir /tmp/jobs -id a
//	go run ./examples/quorum -dir /tmp/jobs -id b
//	go run ./examples/quorum -dir /tmp/jobs -id c -vote=false
//
// The last one never leads, and counts all the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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
	flags := flag.NewFlagSet("quorum", flag.ContinueOnError)
	dir := flags.String("dir", "/tmp/jobs", "`directory` that all members share")
	id := flags.String("id", "", "`ID` of this member")
	zone := flags.String("zone", "here", "`name` of the zone, which the others are told")
	vote := flags.Bool("vote", true, "whether this member may lead")
	lease := flags.Duration("lease", s3lect.DefaultLeaderTimeout, "`time` after which a silent member counts as gone")
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
			ServerAddr:         "localhost:8443", // where others would find this member
			LeaderTimeout:      *lease,
			InfrequentInterval: max(*lease/3, time.Millisecond), // reading a file costs nothing: look often
			QuorumSize:         2,                               // this one, and one more
			GracePeriod:        *lease / 2,
			NonVoting:          !*vote,
			ObserverMetadata:   map[string]string{"zone": *zone},
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
		fmt.Fprintln(out, describe(ctx, elector, status))
	}
	return elector.Stop() // waits until this member has said good-bye
}

// describe tells a status, and a leader's who is there.
func describe(ctx context.Context, elector *s3lect.S3Elector, s s3lect.LeadershipStatus) string {
	text := s.ServerID + " sees no leader"
	switch {
	case errors.Is(s.Err, s3lect.ErrQuorumLost):
		text = s.ServerID + " waits for others"
	case s.LastError != "":
		text = s.ServerID + " is in trouble: " + s.LastError
	case s.IsLeader:
		text = fmt.Sprintf("%s leads, term %d, with %s", s.ServerID, s.Term, fleet(ctx, elector))
	case s.LeaderID != "":
		text = fmt.Sprintf("%s follows %s, term %d", s.ServerID, s.LeaderID, s.Term)
	}
	if s.EndReason != 0 {
		text += fmt.Sprintf(" (its term %d has ended: %s)", s.EndedTerm, s.EndReason)
	}
	return text
}

// fleet names the members that are alive.
func fleet(ctx context.Context, elector *s3lect.S3Elector) string {
	members, err := elector.Observers(ctx)
	if err != nil {
		return err.Error()
	}
	var active []string
	for _, m := range members {
		if m.Active {
			active = append(active, fmt.Sprintf("%s in zone %s", m.ID, m.Metadata["zone"]))
		}
	}
	return strings.Join(active, ", ")
}
