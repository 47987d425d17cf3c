package contender

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

// Etcd is a candidate in an election of etcd's package concurrency: Election with a Session of the lease as its TTL.
// It leads from Campaign's return until its session is done. It meets nobody in the arena, since its servers are real
// ones and its time is, too; its faults are those of its connection.
type Etcd struct {
	loop
	endpoints []string
	key, name string
	lease     time.Duration
	line      *arena.Line
	sent      *atomic.Int64
	session   atomic.Pointer[concurrency.Session] // of the present leadership; nil if there is none
}

// EtcdModule is the client, whose version is reported.
const EtcdModule = "go.etcd.io/etcd/client/v3"

var _ arena.Candidate = (*Etcd)(nil)

// NewEtcd returns a candidate that counts its requests in sent.
func NewEtcd(endpoints []string, name string, s Settings, sent *atomic.Int64) *Etcd {
	return &Etcd{endpoints: endpoints, name: name, key: "/" + s.Key + "/", lease: s.Lease, line: &arena.Line{}, sent: sent}
}

// Line is its way to the servers.
func (e *Etcd) Line() *arena.Line { return e.line }

// Leads is what a program knows by the session, unless it stands still.
func (e *Etcd) Leads() bool {
	s := e.session.Load()
	if s == nil {
		return false
	}
	select {
	case <-s.Done():
		return false
	default:
		return true
	}
}

// Start contests.
func (e *Etcd) Start() error {
	e.begin(e.run)
	return nil
}

func (e *Etcd) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.contest(ctx); err != nil && ctx.Err() == nil {
			select { // as one does with errors that will not go away at once
			case <-time.After(e.lease / 15):
			case <-ctx.Done():
			}
		}
	}
}

// contest is one candidacy, until the leadership is lost or ctx ends.
func (e *Etcd) contest(ctx context.Context) error {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: e.endpoints, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return e.line.Dial(ctx, address) }),
			// Chained: others would take the place of the client's own, which repeat what may be repeated.
			grpc.WithChainUnaryInterceptor(e.countCall), grpc.WithChainStreamInterceptor(e.countMessages),
		},
	})
	if err != nil {
		return fmt.Errorf("connect to etcd: %w", err)
	}
	defer client.Close() //nolint:errcheck // what it held lapses
	granting, cancel := context.WithTimeout(ctx, e.lease)
	defer cancel()
	lease, err := client.Grant(granting, int64(e.lease.Seconds()))
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	session, err := concurrency.NewSession(client, concurrency.WithLease(lease.ID))
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	election := concurrency.NewElection(session, e.key)
	campaign, lost := context.WithCancel(ctx)
	defer lost()
	context.AfterFunc(session.Ctx(), lost)
	if err := election.Campaign(campaign, e.name); err != nil {
		return errors.Join(err, e.close(session))
	}
	e.session.Store(session)
	select {
	case <-session.Done():
	case <-ctx.Done():
	}
	e.session.Store(nil)
	return e.close(session)
}

// close revokes the lease, and with it the leadership.
func (e *Etcd) close(s *concurrency.Session) error {
	revoking, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.Orphan()
	_, err := s.Client().Revoke(revoking, s.Lease())
	return err
}

func (e *Etcd) countCall(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption) error {
	e.sent.Add(1)
	return invoker(ctx, method, req, reply, cc, options...)
}

func (e *Etcd) countMessages(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, cc, method, options...)
	if err != nil {
		return nil, err
	}
	return countedStream{s, e.sent}, nil
}

// countedStream counts what is sent: each message of a stream asks for something.
type countedStream struct {
	grpc.ClientStream
	sent *atomic.Int64
}

func (s countedStream) SendMsg(m any) error {
	s.sent.Add(1)
	return s.ClientStream.SendMsg(m)
}
