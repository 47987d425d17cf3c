// Package etcd is the discovery that keeps the list of nodes in etcd, one key for each:
//
//	nodes, err := etcd.New(etcd.Options{Endpoints: []string{"10.0.0.1:2379", "10.0.0.2:2379"}, Prefix: "/raft/orders/"})
//
// The key of a node is the prefix and the node's ID, its value the node as JSON, as in
//
//	/raft/orders/n1  {"id":"n1","address":"10.0.0.5","port":7000,"voter":true,"tags":{"zone":"a"}}
//
// A registered node's key is bound to a lease that this process keeps alive. When the process ends without Stop, the key is gone
// after [Options].TTL. A key that somebody has removed while its process lives is put back; one that another process has
// overwritten is left alone. Keys put there by hand, without a lease, stay until they are removed.
//
// # What cannot be seen is not gone
//
// The list is read from a majority of etcd's members. While there is none, or no connection, or no permission for the whole
// prefix, reading fails and nothing is sent.
//
// The client is that of etcd 3.6; the tests run it against a server of version 3.4.
package etcd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	"unicode"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// Options says where the list is. Endpoints and Prefix are required.
type Options struct {
	// Endpoints are the hosts and ports of etcd's members; one that works is enough.
	Endpoints []string
	// Prefix is what the keys of all nodes begin with; a slash is added if it does not end in one. Other clusters
	// need other prefixes, none of which begins with another one.
	Prefix string
	// Username and Password are those of an etcd user who may read and write the prefix. They are in no error or log.
	Username, Password string
	// TLS has the members talked to over TLS.
	TLS *tls.Config
	// TTL is the time after which a node whose process has ended is off the list, in whole seconds. Defaults to 15s. The
	// server has a least one of its own, some two seconds.
	TTL time.Duration
	// Logger defaults to slog.Default().
	Logger *slog.Logger
}

// New checks the options. Nothing is asked before Start.
func New(options Options) (discovery.Discovery, error) {
	s, err := newSource(options)
	if err != nil {
		return nil, fmt.Errorf("etcd discovery: %w", err)
	}
	return directory.New(s, options.Logger), nil
}

func newSource(o Options) (*source, error) {
	o.TTL = cmp.Or(o.TTL, 15*time.Second)
	if err := o.check(); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(o.Prefix, "/") {
		o.Prefix += "/"
	}
	return &source{options: o, timeout: requestTimeout, turn: make(chan struct{}, 1)}, nil
}

func (o Options) check() error {
	if len(o.Endpoints) == 0 {
		return errors.New("endpoints are missing: give the host and port of at least one member of etcd")
	}
	for i, endpoint := range o.Endpoints {
		host, port, err := net.SplitHostPort(endpoint)
		if err != nil || host == "" || port == "" || strings.ContainsAny(endpoint, "/@ ") {
			// A URL would be a place for a password.
			return fmt.Errorf("endpoint %d is not a host and port, such as 10.0.0.1:2379", i+1)
		}
	}
	if strings.Trim(o.Prefix, "/") == "" {
		return errors.New("prefix is missing: give the one under which the nodes of this cluster are kept, such as /raft/orders/")
	}
	if strings.ContainsFunc(o.Prefix, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("prefix %q has characters that cannot be printed", o.Prefix)
	}
	if (o.Username == "") != (o.Password == "") {
		return errors.New("user name and password are used only together, and one of them is missing")
	}
	if o.TTL < time.Second {
		return fmt.Errorf("TTL %v is less than 1s", o.TTL)
	}
	return nil
}

const (
	// requestTimeout is how long a request may take.
	requestTimeout = 5 * time.Second
	// maxAnswer bounds an answer: 256 keys, each with all the tags there can be.
	maxAnswer = 16 << 20
)

// source is the prefix.
type source struct {
	options Options
	timeout time.Duration // bounds a request, which waits for a connection if there is none
	turn    chan struct{} // held by whoever uses client
	client  *clientv3.Client
}

func (s *source) String() string {
	return fmt.Sprintf("%s in etcd at %s", s.options.Prefix, strings.Join(s.options.Endpoints, ","))
}

func (s *source) Open() error { return nil }

func (s *source) Close() error {
	if s.client == nil {
		return nil
	}
	client := s.client
	s.client = nil
	if err := client.Close(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // which is how it says that it has ended its streams
}

// connected returns the client, which is made when it is needed first: with a password it cannot be made while etcd is away.
func (s *source) connected(ctx context.Context) (*clientv3.Client, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.client != nil {
		return s.client, nil
	}
	life, end := context.WithCancel(context.Background())
	ended := context.AfterFunc(ctx, end) // until the client is there, its life is that of the call
	client, err := clientv3.New(clientv3.Config{
		Context:              life,
		Endpoints:            s.options.Endpoints,
		Username:             s.options.Username,
		Password:             s.options.Password,
		TLS:                  s.options.TLS.Clone(),
		DialTimeout:          s.timeout,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxCallRecvMsgSize:   maxAnswer,
		Logger:               zap.NewNop(), // what goes wrong is in the errors
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			// The client's own pauses grow to two minutes, which is long for a server that is back.
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: s.timeout,
		})},
	})
	if err != nil {
		end()
		return nil, err
	}
	if !ended() {
		_ = client.Close()
		return nil, ctx.Err()
	}
	s.client = client
	return client, nil
}
