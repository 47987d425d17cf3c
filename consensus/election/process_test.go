package election

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of this file run nodes as processes of their own: this binary, told by its environment to be one.
const nodeEnvironment = "S3LECT_ELECTION_TEST_NODE"

// patienceForLeaders is how long a machine that is busy may take to elect somebody.
const patienceForLeaders = 30 * time.Second

func TestMain(m *testing.M) {
	if text := os.Getenv(nodeEnvironment); text != "" {
		if err := beNode(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// order says what a process is to be.
type order struct {
	Node      string
	Peers     []Node
	Timeout   time.Duration
	Directory string // for votes and samples, and for the terms of all nodes
}

// beNode runs a node until its standard input ends. It prints its callbacks, one in a line.
func beNode(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	terms, err := os.OpenFile(filepath.Join(o.Directory, "terms"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	say := func(name string) Callback {
		return func(_ context.Context, t Transition) error {
			if name == "EnterLeader" {
				if _, err := fmt.Fprintf(terms, "%d %s\n", t.Term, o.Node); err != nil {
					return err
				}
			}
			_, err := fmt.Printf("%s %d\n", name, t.Term)
			return err
		}
	}
	e, err := New(Config{
		Node: Node{ID: o.Node}, Peers: o.Peers, ElectionTimeout: o.Timeout,
		VotesFile:   filepath.Join(o.Directory, o.Node),
		EnterLeader: say("EnterLeader"), LeaveLeader: say("LeaveLeader"),
		EnterFollower: say("EnterFollower"), LeaveFollower: say("LeaveFollower"),
		EnterCandidate: say("EnterCandidate"), LeaveCandidate: say("LeaveCandidate"),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	var sampling sync.WaitGroup
	sampling.Go(func() { err = sample(ctx, e, filepath.Join(o.Directory, o.Node+".samples")) })
	runErr := e.Run(ctx)
	cancel()
	sampling.Wait()
	if runErr != nil {
		return runErr
	}
	return err
}

// sample writes down, every millisecond, whether the node leads, and the times before and after it was asked.
func sample(ctx context.Context, e *Election, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		before := time.Now()
		leads := e.IsLeader()
		if _, err := fmt.Fprintf(f, "%d %d %t\n", before.UnixNano(), time.Now().UnixNano(), leads); err != nil {
			return err
		}
		<-ticker.C
	}
	return nil
}

// processes is a fleet of them.
type processes struct {
	t         *testing.T
	directory string
	timeout   time.Duration
	nodes     []Node

	mu      sync.Mutex
	running map[string]*process
	changed chan struct{} // closed and replaced with each callback
}

type process struct {
	*exec.Cmd
	in     interface{ Close() error }
	called []string // callbacks
	ended  chan struct{}
}

func newProcesses(t *testing.T, count int, timeout time.Duration) *processes {
	t.Helper()
	f := &processes{
		t: t, directory: t.TempDir(), timeout: timeout,
		running: map[string]*process{}, changed: make(chan struct{}),
	}
	for i := range count {
		f.nodes = append(f.nodes, Node{ID: string(rune('a' + i)), Address: freeAddress(t)})
	}
	return f
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (f *processes) startAll() {
	f.t.Helper()
	for _, node := range f.nodes {
		f.start(node.ID)
	}
}

func (f *processes) start(id string) {
	f.t.Helper()
	text, err := json.Marshal(order{Node: id, Peers: f.nodes, Timeout: f.timeout, Directory: f.directory})
	require.NoError(f.t, err)
	p := &process{Cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	p.Env = append(os.Environ(), nodeEnvironment+"="+string(text))
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	require.NoError(f.t, err)
	out, err := p.StdoutPipe()
	require.NoError(f.t, err)
	require.NoError(f.t, p.Start())
	p.in = in
	f.mu.Lock()
	f.running[id] = p
	f.mu.Unlock()
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			f.mu.Lock()
			p.called = append(p.called, strings.Fields(lines.Text())[0])
			close(f.changed)
			f.changed = make(chan struct{})
			f.mu.Unlock()
		}
		_ = p.Wait()
	}()
	f.t.Cleanup(func() { f.end(p) })
}

// end kills a process that is still there.
func (f *processes) end(p *process) {
	_ = p.Process.Kill()
	<-p.ended
}

// stop ends all processes in good order.
func (f *processes) stop() {
	f.t.Helper()
	for _, p := range f.running {
		require.NoError(f.t, p.in.Close())
	}
	for id, p := range f.running {
		select {
		case <-p.ended:
			assert.True(f.t, p.ProcessState.Success(), "node %s: %v", id, p.ProcessState)
		case <-time.After(patienceForLeaders):
			require.FailNow(f.t, "a node does not stop", id)
		}
	}
}

func (f *processes) signal(id string, s syscall.Signal) {
	f.t.Helper()
	require.NoError(f.t, f.running[id].Process.Signal(s))
}

func (f *processes) kill(id string) {
	f.t.Helper()
	f.end(f.running[id])
	f.mu.Lock()
	delete(f.running, id)
	f.mu.Unlock()
}

// calls are the callbacks of a node since its start.
func (f *processes) calls(id string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.running[id].called)
}

// leader waits until exactly one of the given nodes has been told last that it leads.
func (f *processes) leader(among ...string) string {
	f.t.Helper()
	deadline := time.After(patienceForLeaders)
	for {
		f.mu.Lock()
		changed := f.changed
		var leaders []string
		for _, id := range among {
			if calls := f.running[id].called; len(calls) > 0 && calls[len(calls)-1] == "EnterLeader" {
				leaders = append(leaders, id)
			}
		}
		f.mu.Unlock()
		if len(leaders) == 1 {
			return leaders[0]
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(f.t, "nobody leads", "of %v", among)
		}
	}
}

func (f *processes) ids() []string {
	var ids []string
	for _, node := range f.nodes {
		ids = append(ids, node.ID)
	}
	return ids
}

func (f *processes) others(id string) []string {
	return slices.DeleteFunc(f.ids(), func(other string) bool { return other == id })
}

// look is one sample.
type look struct {
	before, after int64
	leads         bool
}

func (f *processes) samples(id string) []look {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.directory, id+".samples"))
	require.NoError(f.t, err)
	lines := strings.SplitAfter(string(data), "\n")
	var looks []look
	for _, line := range lines {
		var l look
		if strings.HasSuffix(line, "\n") { // not cut off by a kill
			_, err := fmt.Sscan(line, &l.before, &l.after, &l.leads)
			require.NoError(f.t, err)
			looks = append(looks, l)
		}
	}
	return looks
}

// span is a time in which a node surely led: it said so at its beginning, at its end, and whenever it was asked in between.
type span struct {
	node     string
	from, to int64
}

// checkSafety demands that no two nodes have led at the same time, and no term was led twice.
func (f *processes) checkSafety() {
	f.t.Helper()
	var spans []span
	for _, id := range f.ids() {
		var current *span
		for _, l := range f.samples(id) {
			switch {
			case !l.leads:
				current = nil
			case current == nil:
				spans = append(spans, span{node: id, from: l.after, to: l.before})
				current = &spans[len(spans)-1]
			default:
				current.to = l.before
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	for i := 1; i < len(spans); i++ {
		for _, earlier := range spans[:i] {
			assert.False(f.t, earlier.node != spans[i].node && spans[i].from < earlier.to && spans[i].from < spans[i].to,
				"%s and %s led at the same time, for %v", earlier.node, spans[i].node,
				time.Duration(min(earlier.to, spans[i].to)-spans[i].from))
		}
	}
	f.t.Logf("%d leaderships of %d terms were sampled", len(spans), len(f.checkTerms()))
}

// checkTerms returns who led each term.
func (f *processes) checkTerms() map[uint64]string {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.directory, "terms"))
	require.NoError(f.t, err)
	led := map[uint64]string{}
	for line := range strings.Lines(string(data)) {
		number, id, found := strings.Cut(strings.TrimSpace(line), " ")
		require.True(f.t, found)
		term, err := strconv.ParseUint(number, 10, 64)
		require.NoError(f.t, err)
		if other, before := led[term]; before {
			require.Equal(f.t, other, id, "term %d was led twice", term)
		}
		led[term] = id
	}
	return led
}
