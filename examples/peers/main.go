// Command peers is a replica in peer mode: followers ask the leader over mutual TLS instead of reading
// the storage, and take over at once when it ends. Make certificates, start it twice, and end the
// one that leads:
//
//	go run ./cmd/s3lect certs --dir /tmp/certs a b
//	go run ./examples/peers -dir /tmp/jobs -certs /tmp/certs -id a -addr localhost:8443
//	go run ./examples/peers -dir /tmp/jobs -certs /tmp/certs -id b -addr localhost:8444
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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

// replica is one of several that know each other by the certificates of one authority.
type replica struct {
	id, addr          string
	ca, cert, certKey string // PEM files; each may be replaced while the replica runs
	out               io.Writer
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	dir := flags.String("dir", "/tmp/jobs", "`directory` that all replicas share")
	certs := flags.String("certs", "certs", "`directory` with ca.pem, ID.pem and ID-key.pem")
	id := flags.String("id", "", "`ID` of this replica")
	addr := flags.String("addr", "localhost:8443", "`HOST:PORT` at which the others reach this replica")
	if err := flags.Parse(args); err != nil {
		return err
	}
	storage, err := s3lect.NewMockStorage(*dir)
	if err != nil {
		return err
	}
	r := &replica{
		id: *id, addr: *addr, out: out,
		ca:      filepath.Join(*certs, "ca.pem"),
		cert:    filepath.Join(*certs, *id+".pem"),
		certKey: filepath.Join(*certs, *id+"-key.pem"),
	}
	return r.run(ctx, storage)
}

func (r *replica) run(ctx context.Context, storage s3lect.Storage) error {
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{
		Config: &s3lect.ElectorConfig{
			LockfilePath: "leader.json",
			ServerID:     r.id,
			ServerAddr:   r.addr,
			// How this replica asks the leader, while it follows.
			PeerMode:     true,
			PeerCAFile:   r.ca,
			PeerCertFile: r.cert,
			PeerKeyFile:  r.certKey,
		},
		Storage: storage,
	})
	if err != nil {
		return err
	}
	server, err := r.serve(ctx, elector)
	if err != nil {
		return err
	}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		r.watch(ctx, elector)
	}()
	err = elector.Lead(ctx, r.lead)
	<-watching

	// Last: followers that wait are answered when the leadership has been released.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if errors.Is(err, context.Canceled) {
		err = nil // asked to end
	}
	return errors.Join(err, server.Stop(stopping))
}

// serve answers the others, while this replica leads. Whoever shows no certificate of the same
// authority is refused.
func (r *replica) serve(ctx context.Context, elector *s3lect.S3Elector) (*s3lect.HealthServer, error) {
	server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
		BindAddress:  r.addr, // or ":8443", for all addresses of the machine
		CertFile:     r.cert,
		KeyFile:      r.certKey,
		ClientCAFile: r.ca,
		Elector:      elector,
	})
	if err != nil {
		return nil, err
	}
	err = server.Start(context.WithoutCancel(ctx)) // it ends after the contest
	return server, err
}

// watch tells whom this replica follows.
func (r *replica) watch(ctx context.Context, elector *s3lect.S3Elector) {
	last := ""
	for status := range elector.Watch(ctx) {
		if status.LeaderID != last && status.LeaderID != "" && !status.IsLeader {
			fmt.Fprintf(r.out, "%s follows %s at %s\n", r.id, status.LeaderID, status.LeaderAddr)
		}
		last = status.LeaderID
	}
}

func (r *replica) lead(ctx context.Context, term int64) error {
	fmt.Fprintf(r.out, "%s leads, term %d\n", r.id, term)
	<-ctx.Done()
	fmt.Fprintf(r.out, "%s stops: %v\n", r.id, context.Cause(ctx))
	return ctx.Err()
}
