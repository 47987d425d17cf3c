// Command customstorage elects a leader on a storage of one's own making: here a small key-value
// server over HTTP. Its test runs the conformance suite on it, as the test of any storage should.
//
//	go run ./examples/customstorage
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: newServer(), ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = web.Serve(listener) }) // in the end it says that it was closed
	defer serving.Wait()
	defer web.Close()
	store := &storage{client: &http.Client{}, url: "http://" + listener.Addr().String() + "/"}

	// Three candidates work one after the other: each has its turn when the one before it is done.
	for _, id := range []string{"a", "b", "c"} {
		elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
			Config: &s3lect.ElectorConfig{
				LockfilePath: "leader.json",
				ServerID:     id,
				ServerAddr:   "localhost:8443",
			},
			Storage: store,
			Logger:  slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		err = elector.Lead(ctx, func(_ context.Context, term int64) error {
			fmt.Fprintf(out, "%s leads, term %d\n", id, term)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
