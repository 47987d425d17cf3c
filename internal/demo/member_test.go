package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
)

// fakeElector does what it is told.
type fakeElector struct {
	term     atomic.Int64 // 0 when not leading
	changes  chan s3lect.LeadershipStatus
	stopHang chan struct{} // Stop waits until it is closed, if there is one

	mu    sync.Mutex
	calls []string
}

func newFakeElector() *fakeElector {
	return &fakeElector{changes: make(chan s3lect.LeadershipStatus, 1)}
}

func (e *fakeElector) call(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, name)
	return nil
}

func (e *fakeElector) Start(context.Context) error  { return e.call("start") }
func (e *fakeElector) Resign(context.Context) error { return e.call("resign") }
func (e *fakeElector) TransferLeadership(_ context.Context, to string) error {
	return errors.Join(e.call("transfer to "+to), s3lect.ErrNotLeader)
}
func (e *fakeElector) IsLeader() bool           { return e.term.Load() > 0 }
func (e *fakeElector) Term() int64              { return e.term.Load() }
func (e *fakeElector) Remaining() time.Duration { return time.Duration(e.term.Load()) * time.Second }

func (e *fakeElector) Stop() error {
	if e.stopHang != nil {
		<-e.stopHang
	}
	return e.call("stop")
}

func (e *fakeElector) Watch(ctx context.Context) iter.Seq[s3lect.LeadershipStatus] {
	return func(yield func(s3lect.LeadershipStatus) bool) {
		for {
			select {
			case s := <-e.changes:
				if !yield(s) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// memberUnderTest is a member run inside the test.
type memberUnderTest struct {
	opts  MemberOptions
	stdin *io.PipeWriter
	words *bufio.Scanner
	ended chan error
}

func runUnderTest(t *testing.T, e candidate) *memberUnderTest {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "audit"), 0o755))
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	m := &memberUnderTest{
		opts:  MemberOptions{Dir: dir, ID: "alpha", Start: 1, Lease: time.Second, Interval: time.Second / 6},
		stdin: stdin, words: bufio.NewScanner(stdout), ended: make(chan error, 1),
	}
	go func() {
		m.ended <- runMember(m.opts, in, out, func(MemberOptions, s3lect.Storage) (candidate, error) { return e, nil })
		_ = out.Close()
	}()
	return m
}

func (m *memberUnderTest) tell(t *testing.T, command string) {
	t.Helper()
	_, err := io.WriteString(m.stdin, command+"\n")
	require.NoError(t, err)
}

// hear returns the first report of which want is true.
func (m *memberUnderTest) hear(t *testing.T, want func(report) bool) report {
	t.Helper()
	for m.words.Scan() {
		var r report
		require.NoError(t, json.Unmarshal(m.words.Bytes(), &r))
		if want(r) {
			return r
		}
	}
	t.Fatal("the member ended without saying what was waited for")
	return report{}
}

// end closes the member's input, and returns how it ended.
func (m *memberUnderTest) end() error {
	_ = m.stdin.Close()
	for m.words.Scan() {
	}
	return <-m.ended
}

func answering(command string) func(report) bool {
	return func(r report) bool { return r.Answers == command }
}

func TestAMemberCarriesOutCommandsAndAnswers(t *testing.T) {
	e := newFakeElector()
	m := runUnderTest(t, e)
	m.tell(t, "resign")
	assert.Empty(t, m.hear(t, answering("resign")).Error)
	m.tell(t, "transfer bravo")
	assert.Contains(t, m.hear(t, answering("transfer bravo")).Error, s3lect.ErrNotLeader.Error())
	m.tell(t, "cut")
	assert.Empty(t, m.hear(t, answering("cut")).Error)
	m.tell(t, "heal")
	assert.Empty(t, m.hear(t, answering("heal")).Error)
	m.tell(t, "dance")
	assert.Contains(t, m.hear(t, answering("dance")).Error, `unknown command "dance"`)
	m.tell(t, "stop")
	require.NoError(t, m.end())
	assert.Equal(t, []string{"start", "resign", "transfer to bravo", "stop"}, e.calls)
}

func TestAMemberStopsWhenItsInputEnds(t *testing.T) {
	e := newFakeElector()
	require.NoError(t, runUnderTest(t, e).end())
	assert.Equal(t, []string{"start", "stop"}, e.calls)
}

func TestAMemberEndsAlthoughItsElectorDoesNotStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newFakeElector()
		e.stopHang = make(chan struct{})
		err := runUnderTest(t, e).end()
		require.ErrorContains(t, err, "did not stop within")
		close(e.stopHang)
	})
}

func TestAMemberReportsAndAuditsWhatItsElectorBelieves(t *testing.T) {
	e := newFakeElector()
	m := runUnderTest(t, e)
	before := m.hear(t, func(report) bool { return true })
	assert.False(t, before.Leader)

	e.term.Store(4)
	e.changes <- s3lect.LeadershipStatus{LeaderID: "alpha"}
	during := m.hear(t, func(r report) bool { return r.Leader && r.Follows == "alpha" })
	assert.Equal(t, int64(4), during.Term)
	assert.Equal(t, 4*time.Second, during.Remaining)

	e.term.Store(0)
	e.changes <- s3lect.LeadershipStatus{LeaderID: "bravo"}
	after := m.hear(t, func(r report) bool { return !r.Leader && r.Follows == "bravo" })
	require.NoError(t, m.end())
	assert.Greater(t, after.Samples, before.Samples)

	samples, err := readAudit(m.opts.auditFile())
	require.NoError(t, err)
	require.False(t, samples[0].Leader, "the no before the first yes is kept")
	require.False(t, samples[len(samples)-1].Leader, "the no after the last yes is kept")
	found := beliefs(samples, nil)
	require.Len(t, found, 1)
	assert.Equal(t, int64(4), found[0].Term)
	assert.Less(t, before.At, found[0].To)
	assert.Less(t, found[0].From, after.At)
}

// interrupted is an elector whose first answer comes long after it was asked for.
type interrupted struct {
	*fakeElector
	asked int
}

func (e *interrupted) IsLeader() bool {
	e.asked++
	if e.asked == 1 {
		for began := clock(); clock()-began < 2*sharp; {
		}
		return true
	}
	return false
}

func TestAnAnswerOfUncertainTimeIsAskedForAgain(t *testing.T) {
	e := &interrupted{fakeElector: newFakeElector()}
	s := take(e)
	assert.False(t, s.Leader)
	assert.GreaterOrEqual(t, e.asked, 2)
	assert.Less(t, clock()-s.At, time.Second)
}

// fullDisk takes no bytes.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAnAuditThatCannotBeWrittenIsAnError(t *testing.T) {
	e := newFakeElector()
	e.term.Store(1)
	s := &sampler{candidate: e, audit: fullDisk{}, changed: func() {}}
	err := s.run(t.Context(), func() {})
	require.ErrorContains(t, err, "write audit: no space left on device")
}

func TestNoTwoProcessesShareAnAudit(t *testing.T) {
	e := newFakeElector()
	m := runUnderTest(t, e)
	require.NoError(t, m.end())
	err := runMember(m.opts, nil, io.Discard, nil)
	require.ErrorIs(t, err, os.ErrExist)
}
