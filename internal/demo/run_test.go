package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// busyLease is one that processes with the race detector keep on a busy machine, too.
const busyLease = 2 * time.Second

// witness collects output, and rings when it contains a text.
type witness struct {
	mu   sync.Mutex
	text strings.Builder
	want string
	seen chan struct{}
}

func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.want != "" && strings.Contains(w.text.String(), w.want) {
		w.want = ""
		close(w.seen)
	}
	return len(p), nil
}

// roster collects the processes that a demo starts.
type roster struct {
	mu        sync.Mutex
	processes []*exec.Cmd
}

func (r *roster) enter(member func(MemberOptions) *exec.Cmd) func(MemberOptions) *exec.Cmd {
	return func(o MemberOptions) *exec.Cmd {
		cmd := member(o)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.processes = append(r.processes, cmd)
		return cmd
	}
}

// kill ends the latest process of a member.
func (r *roster) kill(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, cmd := range slices.Backward(r.processes) {
		if cmd.Args[1] == id {
			_ = cmd.Process.Kill() // the demo tells whether it worked
			return
		}
	}
}

func (r *roster) assertAllEnded(t *testing.T) {
	t.Helper()
	assert.NotEmpty(t, r.processes)
	for _, cmd := range r.processes {
		assert.NotNil(t, cmd.ProcessState, "a process outlived the demo")
	}
}

func TestRealProcessesUnderRealFaultsNeverHaveTwoLeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 26 seconds")
	}
	t.Parallel()
	var processes roster
	var out, errs bytes.Buffer
	err := Run(t.Context(), Options{
		Members: 5, Lease: busyLease, JSON: true, Out: &out, Err: &errs,
		member: processes.enter(testProgram(honestly)), tempDir: t.TempDir(),
	})
	require.NoError(t, err, "%s", &errs)
	processes.assertAllEnded(t)

	var result struct {
		Faults []struct {
			Fault, Member, Successor       string
			Term                           int64
			FailoverMillis, OutlivedMillis float64
		}
		Leaderships      []struct{ Term int64 }
		TwoLeadersMillis *float64
		Samples          int64
		Requests         struct{ Reads, Writes, Failed int64 }
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &result))
	require.NotNil(t, result.TwoLeadersMillis)
	assert.Zero(t, *result.TwoLeadersMillis)
	assert.Greater(t, result.Samples, int64(5000))
	assert.Positive(t, result.Requests.Reads)
	assert.Positive(t, result.Requests.Writes)
	assert.Positive(t, result.Requests.Failed, "a cut process's requests are not answered")

	require.Len(t, result.Faults, len(possible()))
	term := int64(1)
	for i, f := range result.Faults {
		assert.Equal(t, possible()[i].name, f.Fault)
		assert.NotEqual(t, f.Member, f.Successor, f.Fault)
		assert.Greater(t, f.Term, term, f.Fault)
		assert.Positive(t, f.FailoverMillis, f.Fault)
		term = f.Term
	}
	cutOff := result.Faults[len(result.Faults)-1]
	assert.Less(t, cutOff.OutlivedMillis, float64(busyLease.Milliseconds()), "a leader cut off ends before its lease does")
	for i, l := range result.Leaderships[1:] {
		assert.Greater(t, l.Term, result.Leaderships[i].Term, "terms grow")
	}
	assert.Contains(t, errs.String(), "(SIGKILL)")
}

func TestAMemberThatLiesIsFoundOut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 26 seconds")
	}
	t.Parallel()
	dir := t.TempDir()
	var processes roster
	member := processes.enter(testProgram(func(id string) string {
		if id == "echo" {
			return "liar"
		}
		return "member"
	}))
	var out, errs bytes.Buffer
	err := Run(t.Context(), Options{Members: 5, Lease: busyLease, Out: &out, Err: &errs, member: member, tempDir: dir})
	require.ErrorIs(t, err, ErrTwoLeaders, "%s", &out)
	processes.assertAllEnded(t)
	assert.Contains(t, out.String(), "TWO LEADERS")
	assert.Regexp(t, `echo\.\d`, out.String())
	assert.Contains(t, out.String(), "!!!", "the timeline marks it")
	assert.DirExists(t, filepath.Join(dir, onlyEntry(t, dir), "audit"), "the evidence is kept")
	assert.Contains(t, errs.String(), onlyEntry(t, dir))
}

func onlyEntry(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return entries[0].Name()
}

func TestAnInterruptedDemoLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var processes roster
	out := &witness{want: "leads, term 1", seen: make(chan struct{})}
	interrupt := errors.New("interrupt")
	go func() {
		<-out.seen
		cancel(interrupt)
	}()
	err := Run(ctx, Options{
		Members: 3, Lease: busyLease, Out: out, Err: &bytes.Buffer{},
		member: processes.enter(testProgram(honestly)), tempDir: dir,
	})
	require.ErrorIs(t, err, interrupt)
	processes.assertAllEnded(t)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// People who try the demo may well end a process by hand, even the one that the demo has frozen.
func TestTheDemoGoesOnWhenAFrozenMemberIsEndedFromOutside(t *testing.T) {
	if testing.Short() || !canFreeze {
		t.Skip("takes some 26 seconds, and a system that can freeze a process")
	}
	t.Parallel()
	var processes roster
	out := &witness{want: "leads, term 3", seen: make(chan struct{})}
	go func() {
		<-out.seen
		out.mu.Lock()
		defer out.mu.Unlock()
		frozen := regexp.MustCompile(`(\w+) frozen`).FindStringSubmatch(out.text.String())[1]
		processes.kill(frozen)
	}()
	err := Run(t.Context(), Options{
		Members: 4, Lease: busyLease, Out: out, Err: &bytes.Buffer{},
		member: processes.enter(testProgram(honestly)), tempDir: t.TempDir(),
	})
	require.NoError(t, err, "%s", &out.text)
	processes.assertAllEnded(t)
	assert.Contains(t, out.text.String(), "was ended from outside: signal: killed")
}

func TestAMemberThatCannotWorkEndsTheDemoWithItsWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var processes roster
	member := processes.enter(testProgram(func(string) string { return "broken" }))
	var errs bytes.Buffer
	err := Run(t.Context(), Options{Members: 3, Lease: minLease, Out: &bytes.Buffer{}, Err: &errs, member: member, tempDir: dir})
	require.ErrorContains(t, err, "ended by itself")
	require.ErrorContains(t, err, "this member never works")
	processes.assertAllEnded(t)
	assert.Contains(t, errs.String(), onlyEntry(t, dir), "the logs are kept")
}

func TestAProgramThatCannotBeStartedIsNamed(t *testing.T) {
	err := Run(t.Context(), Options{
		Members: 3, Lease: minLease, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, tempDir: t.TempDir(),
		member: func(MemberOptions) *exec.Cmd { return exec.Command("/no/such/program") },
	})
	require.ErrorContains(t, err, "/no/such/program")
}

func TestBadOptionsAreNamed(t *testing.T) {
	good := Options{Members: DefaultMembers, Lease: DefaultLease}
	require.NoError(t, good.Validate())
	for text, change := range map[string]func(*Options){
		"members 2 must be between 3 and 9":          func(o *Options) { o.Members = 2 },
		"members 10 must be between 3 and 9":         func(o *Options) { o.Members = 10 },
		"lease 1ms must be between 500ms and 30s":    func(o *Options) { o.Lease = time.Millisecond },
		"lease -1s must be between 500ms and 30s":    func(o *Options) { o.Lease = -time.Second },
		"lease 1h0m0s must be between 500ms and 30s": func(o *Options) { o.Lease = time.Hour },
	} {
		o := good
		change(&o)
		require.EqualError(t, Run(t.Context(), o), text)
	}
}
