package transporttest

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// fixture is what a test opens its endpoints with.
type fixture struct {
	suite     Suite
	transport transport.Transport
}

func newFixture(t *testing.T, s Suite) *fixture {
	t.Helper()
	return &fixture{suite: s, transport: s.New(t)}
}

// node is an endpoint with something in the place of the engine behind it.
type node struct {
	transport.Endpoint
	id  raft.ServerID
	log *logs

	stop    chan struct{}
	stopped sync.WaitGroup
}

func (f *fixture) config(id string, changes ...func(*transport.Config)) (transport.Config, *logs) {
	log := new(logs)
	c := transport.Config{
		ClusterID: "tests", NodeID: id, Bind: "127.0.0.1:0", Timeout: Timeout, MaxMessage: 8 << 20,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&c)
	}
	return c, log
}

// open opens an endpoint that is closed when the test ends.
func (f *fixture) open(t *testing.T, id string, changes ...func(*transport.Config)) *node {
	t.Helper()
	c, log := f.config(id, changes...)
	e, err := f.transport.Open(c)
	require.NoError(t, err)
	n := &node{Endpoint: e, id: raft.ServerID(id), log: log, stop: make(chan struct{})}
	t.Cleanup(func() { n.close(t) })
	return n
}

func (n *node) close(t *testing.T) {
	t.Helper()
	within(t, soon, "Close", func() { require.NoError(t, n.Close()) })
	select {
	case <-n.stop:
	default:
		close(n.stop)
	}
	n.stopped.Wait()
}

// answer has each request that the engine would get be answered by f.
func (n *node) answer(f func(raft.RPC)) *node {
	n.stopped.Go(func() {
		for {
			select {
			case rpc := <-n.Consumer():
				f(rpc)
			case <-n.stop:
				return
			}
		}
	})
	return n
}

// appendOf returns the request where it is an AppendEntries; anything else is a mistake of the test.
func appendOf(rpc raft.RPC) *raft.AppendEntriesRequest {
	r, ok := rpc.Command.(*raft.AppendEntriesRequest)
	if !ok {
		panic(fmt.Sprintf("a %T", rpc.Command))
	}
	return r
}

// agree answers each request with its kind's response, in which the term is the request's.
func agree(rpc raft.RPC) {
	switch r := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		rpc.Respond(&raft.AppendEntriesResponse{Term: r.Term, LastLog: r.PrevLogEntry + uint64(len(r.Entries)), Success: true}, nil)
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{Term: r.Term, Granted: true}, nil)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{Term: r.Term, Granted: true}, nil)
	case *raft.TimeoutNowRequest:
		rpc.Respond(&raft.TimeoutNowResponse{}, nil)
	case *raft.InstallSnapshotRequest:
		_, err := io.Copy(io.Discard, rpc.Reader)
		rpc.Respond(&raft.InstallSnapshotResponse{Term: r.Term, Success: err == nil}, err)
	}
}

// append sends one entry's worth of a message and says whether the answer belongs to it.
func (n *node) append(to *node, term uint64) error {
	return n.appendAt(to.id, to.LocalAddr(), term)
}

func (n *node) appendAt(id raft.ServerID, address raft.ServerAddress, term uint64) error {
	var response raft.AppendEntriesResponse
	err := n.AppendEntries(id, address, entries(term, 1, 16), &response)
	if err == nil && response.Term != term {
		return fmt.Errorf("answer of term %d to a request of term %d", response.Term, term)
	}
	return err
}

// entries returns a message with so many entries of so many bytes.
func entries(term uint64, count, size int) *raft.AppendEntriesRequest {
	r := &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("leader"), Addr: []byte("127.0.0.1:1")},
		Term:      term, PrevLogEntry: 7, PrevLogTerm: 1, LeaderCommitIndex: 3,
	}
	for i := range count {
		r.Entries = append(r.Entries, &raft.Log{
			Index: 8 + uint64(i), Term: term, Type: raft.LogCommand, Data: bytes.Repeat([]byte{byte(i)}, size), AppendedAt: time.Unix(1, 0),
		})
	}
	return r
}

func heartbeat(term uint64) *raft.AppendEntriesRequest {
	return &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("leader"), Addr: []byte("127.0.0.1:1")}, Term: term,
	}
}

// everyCall names and makes each kind of call that has one answer.
func everyCall(from *node, id raft.ServerID, address raft.ServerAddress) map[string]func() error {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(from.id), Addr: []byte(from.LocalAddr())}
	return map[string]func() error{
		"AppendEntries": func() error { return from.appendAt(id, address, 1) },
		"Heartbeat": func() error {
			return from.AppendEntries(id, address, heartbeat(1), new(raft.AppendEntriesResponse))
		},
		"RequestVote": func() error {
			return from.RequestVote(id, address, &raft.RequestVoteRequest{RPCHeader: header}, new(raft.RequestVoteResponse))
		},
		"RequestPreVote": func() error {
			return from.RequestPreVote(id, address, &raft.RequestPreVoteRequest{RPCHeader: header}, new(raft.RequestPreVoteResponse))
		},
		"TimeoutNow": func() error {
			return from.TimeoutNow(id, address, &raft.TimeoutNowRequest{RPCHeader: header}, new(raft.TimeoutNowResponse))
		},
		"Pipeline": func() error {
			p, err := from.AppendEntriesPipeline(id, address)
			if err != nil {
				return err
			}
			defer p.Close()
			f, err := p.AppendEntries(entries(1, 1, 1), new(raft.AppendEntriesResponse))
			if err != nil {
				return err
			}
			return f.Error()
		},
	}
}

// eachFails makes each kind of call, all at once, and expects it to fail soon after the time-out at the latest.
func eachFails(t *testing.T, from *node, id raft.ServerID, address raft.ServerAddress) {
	t.Helper()
	type result struct {
		name string
		err  error
	}
	calls := everyCall(from, id, address)
	results := make(chan result, len(calls))
	for name, call := range calls {
		go func() { results <- result{name, call()} }()
	}
	end := time.After(2*Timeout + soon)
	for range len(calls) {
		select {
		case r := <-results:
			require.Error(t, r.err, r.name)
		case <-end:
			require.FailNow(t, "a call does not end")
		}
	}
}

// within fails the test if f takes longer.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		require.FailNow(t, what+" does not end")
	}
}

// logs is what a node has logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(b)
}

func (l *logs) read() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.text.String(), l.more
}

// await waits until something has been logged that holds all of the words.
func (l *logs) await(t *testing.T, words ...string) {
	t.Helper()
	timer := time.NewTimer(soon)
	defer timer.Stop()
	for {
		text, more := l.read()
		if containsAll(text, words) {
			return
		}
		select {
		case <-more:
		case <-timer.C:
			require.FailNow(t, "not logged", "%q in:\n%s", words, text)
		}
	}
}

func containsAll(text string, words []string) bool {
	for line := range bytes.Lines([]byte(text)) {
		all := true
		for _, word := range words {
			all = all && bytes.Contains(line, []byte(word))
		}
		if all {
			return true
		}
	}
	return false
}
