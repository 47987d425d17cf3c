// Command s3 is one candidate in an election on a bucket. It uses hooks, as a program does that
// switches something on when it becomes the leader and off when it no longer is. Credentials come
// from where all AWS tools take them.
//
//	go run ./examples/s3 -store 's3://my-bucket/elections?region=eu-central-1' -id a
//	go run ./examples/s3 -store 's3://my-bucket/elections?region=eu-central-1' -id b
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
	flags := flag.NewFlagSet("s3", flag.ContinueOnError)
	store := flags.String("store", "", "`URL` of the bucket, such as s3://bucket/prefix?region=eu-central-1")
	key := flags.String("key", "leader.json", "`key` of the leader record")
	id := flags.String("id", "", "`ID` of this candidate")
	lease := flags.Duration("lease", s3lect.DefaultLeaderTimeout, "`time` for which a silent leader keeps others out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	storage, err := s3lect.OpenS3Storage(ctx, *store)
	if err != nil {
		return err
	}
	// Opening makes no request. Where the bucket cannot be reached, say so now instead of trying
	// again for ever.
	if _, err := s3lect.ReadLeaderRecord(ctx, storage, *key); err != nil && !errors.Is(err, s3lect.ErrStorageNotFound) {
		return err
	}

	var elector *s3lect.S3Elector
	elector, err = s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath:  *key,
			ServerID:      *id,
			ServerAddr:    "localhost:8443",
			LeaderTimeout: *lease,
			OnAcquireLeadership: func(context.Context) error {
				fmt.Fprintf(out, "%s: on, term %d\n", *id, elector.Term())
				return nil
			},
			OnLoseLeadership: func(context.Context) error {
				fmt.Fprintf(out, "%s: off\n", *id)
				return nil
			},
		},
		Storage: storage,
	})
	if err != nil {
		return err
	}
	if err := elector.Start(ctx); err != nil { // a context that ends is a graceful stop
		return err
	}
	<-ctx.Done()
	return elector.Stop() // which this waits for
}
