// Command rounds has several workers ask, all at once, which of them does the job of this minute's
// round. It brings a server along:
//
//	go run ./examples/rounds
//
// With -server it asks one that is there, so that several of these programs compete:
//
//	go run ./cmd/s3lect serve --store file:/tmp/rounds --listen 127.0.0.1:8080
//	go run ./examples/rounds -server http://127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/seed-6dc909bb/s3lect/rounds"
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
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("rounds", flag.ContinueOnError)
	server := flags.String("server", "", "`URL` of the server to ask (default one of its own)")
	workers := flags.Int("workers", 5, "`number` of workers")
	id := flags.String("id", fmt.Sprintf("%s-%d", host, os.Getpid()), "what the workers' `identities` begin with")
	// All workers name the round alike. Jobs that are planned have the planned time, which does not depend
	// on when somebody asks; here it is the minute that has begun.
	round := flags.String("round", time.Now().UTC().Format("2006-01-02T15:04"), "`name` of the round")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp): // has been given
		return nil
	case err != nil:
		return err
	}
	if *server == "" {
		url, stop, err := serve(ctx)
		if err != nil {
			return err
		}
		defer stop()
		*server = url
	}

	errs := make([]error, *workers)
	var working sync.WaitGroup
	for i := range errs {
		w := worker{server: *server, id: fmt.Sprintf("%s-%d", *id, i+1), round: *round, out: out}
		working.Go(func() { errs[i] = w.run(ctx) })
	}
	working.Wait()
	return errors.Join(errs...)
}

// worker is one of several that are to do the same job. They could be on machines of their own.
type worker struct {
	server, id, round string
	out               io.Writer
}

func (w worker) run(ctx context.Context) error {
	client, err := rounds.NewClient(rounds.ClientOptions{
		Servers: []string{w.server}, // several make it independent of each
		ID:      w.id,
	})
	if err != nil {
		return err
	}
	won, state, err := client.Elect(ctx, "billing", w.round)
	if err != nil {
		return fmt.Errorf("%s: %w", w.id, err) // could not tell, for as long as it has asked: do not work
	}
	if !won {
		fmt.Fprintf(w.out, "%s: not me, %s is elected\n", w.id, state.Elected)
		return nil
	}
	fmt.Fprintf(w.out, "%s: I do the job of %s\n", w.id, w.round)
	if _, err := client.Complete(ctx, "billing", w.round); err != nil {
		return fmt.Errorf("%s: %w", w.id, err)
	}
	fmt.Fprintf(w.out, "%s: it is done\n", w.id)
	return nil
}

// serve answers until stop is called, which waits for the end. Its rounds are in memory; real servers
// share a storage.
func serve(ctx context.Context) (url string, stop func(), err error) {
	memoryRounds, err := rounds.New(memory.New(), rounds.Options{})
	if err != nil {
		return "", nil, err
	}
	handler, err := rounds.NewHandler(memoryRounds, rounds.HandlerOptions{})
	if err != nil {
		return "", nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = web.Serve(listener) }) // in the end it says that it was closed
	stop = func() {
		_ = web.Close()
		serving.Wait()
	}
	return "http://" + listener.Addr().String(), stop, nil
}
