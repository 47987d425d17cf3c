//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/supervise"
)

// chosen leads when the test says so.
type chosen struct{ leaderships chan context.Context }

func (l *chosen) Remaining() time.Duration { return time.Minute }

func (l *chosen) Lead(ctx context.Context, work func(ctx context.Context, term int64) error) error {
	for term := int64(1); ; term++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case leadership := <-l.leaderships:
			err := work(leadership, term)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case leadership.Err() == nil:
				return err
			}
		}
	}
}

// arena is a contest with its command's output in a pipe.
type arena struct {
	t       *testing.T
	leader  *chosen
	out     *bufio.Reader
	signals chan os.Signal
	aborted chan int
	ended   chan result
}

func compete(t *testing.T, args []string, change func(*contest)) *arena {
	t.Helper()
	out, outWrite, err := os.Pipe()
	require.NoError(t, err)
	a := &arena{
		t: t, leader: &chosen{make(chan context.Context)}, out: bufio.NewReader(out),
		signals: make(chan os.Signal), aborted: make(chan int, 1), ended: make(chan result, 1),
	}
	c := &contest{
		elector: a.leader,
		spec:    supervise.Spec{Args: args, Env: append(os.Environ(), "S3LECT_ID=me"), Stdout: outWrite, Stderr: os.Stderr},
		grace:   time.Minute, lease: time.Minute, restart: restartNever, delay: time.Millisecond,
		log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(c)
	}
	go func() {
		code, err := c.run(t.Context(), a.signals, func(code int) { a.aborted <- code })
		assert.NoError(t, outWrite.Close())
		a.ended <- result{code, err}
	}()
	return a
}

// win makes this process lead, until the returned function is called.
func (a *arena) win() (lose func(err error)) {
	leadership, lose := context.WithCancelCause(context.Background())
	a.t.Cleanup(func() { lose(nil) })
	a.leader.leaderships <- leadership
	return lose
}

func (a *arena) expect(line string) {
	a.t.Helper()
	got, err := a.out.ReadString('\n')
	require.NoError(a.t, err)
	require.Equal(a.t, line+"\n", got)
}

func lost() error {
	return &s3lect.LeadershipEnd{Reason: s3lect.ErrLeaseExpired, Until: time.Now().Add(time.Minute)}
}

func TestContestEndsWithTheStatusOfItsCommand(t *testing.T) {
	t.Parallel()
	a := compete(t, child("exit", "42"), nil)
	a.win()
	a.expect("exit 1 of me")
	assert.Equal(t, result{code: 42}, <-a.ended)
}

func TestCommandRunsAgainWithTheNextTerm(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := compete(t, child("obey", "3"), func(c *contest) { c.log = slog.New(slog.NewTextHandler(&log, nil)) })
	lose := a.win()
	a.expect("obey 1 of me")
	lose(lost())
	a.win()
	a.expect("obey 2 of me")
	a.signals <- syscall.SIGTERM
	assert.Equal(t, result{code: 3}, <-a.ended)
	assert.NotContains(t, log.String(), "level=WARN", "why the leadership ended is told by the elector")
}

func TestCommandIsKilledAtOnceWhereAnotherMayLead(t *testing.T) {
	t.Parallel()
	a := compete(t, child("stubborn", "0"), nil) // with a grace period of a minute
	lose := a.win()
	a.expect("stubborn 1 of me")
	lose(&s3lect.LeadershipEnd{Reason: s3lect.ErrLeadershipLost})
	a.win()
	a.expect("stubborn 2 of me")
	a.signals <- syscall.SIGTERM
	a.signals <- syscall.SIGTERM
	assert.Equal(t, result{code: 137}, <-a.ended)
	assert.Empty(t, a.aborted)
}

func TestRestartKeepsTheLeadership(t *testing.T) {
	t.Parallel()
	a := compete(t, child("exit", "0"), func(c *contest) { c.restart = restartAlways })
	lose := a.win()
	for range 3 {
		a.expect("exit 1 of me")
	}
	lose(lost())
	a.win()
	for line := ""; line != "exit 2 of me\n"; { // the first term's last run may still be told of
		var err error
		line, err = a.out.ReadString('\n')
		require.NoError(t, err)
	}
	a.signals <- syscall.SIGTERM
	assert.NoError(t, (<-a.ended).err)
}

func TestRestartOnFailureStopsAtSuccess(t *testing.T) {
	t.Parallel()
	script := t.TempDir() + "/failed-once"
	a := compete(t, []string{"sh", "-c", `echo run; test -e "$0" || { : > "$0"; exit 9; }`, script}, func(c *contest) { c.restart = restartOnFailure })
	a.win()
	a.expect("run")
	a.expect("run")
	assert.Equal(t, result{}, <-a.ended)
}

func TestRestartsArePaced(t *testing.T) {
	t.Parallel()
	b := backoff{first: time.Second}
	var delays []time.Duration
	for range 8 {
		delays = append(delays, b.delay(time.Second))
	}
	assert.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}, delays)
	assert.Equal(t, time.Second, b.delay(time.Minute), "a good long run forgives")
	long := backoff{first: time.Hour}
	long.delay(0)
	assert.Equal(t, time.Hour, long.delay(0), "a delay above the limit stays")
}

func TestSignalBeforeLeadingCallsTheContestOff(t *testing.T) {
	t.Parallel()
	for s, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		a := compete(t, child("exit", "0"), nil)
		a.signals <- s
		assert.Equal(t, result{code: code}, <-a.ended)
	}
}

func TestSecondSignalWithoutACommandAborts(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	a := compete(t, child("exit", "0"), func(c *contest) { c.elector = slowToRelease{release} })
	a.signals <- syscall.SIGTERM
	a.signals <- syscall.SIGTERM
	assert.Equal(t, 143, <-a.aborted)
	close(release)
	assert.Equal(t, result{code: 143}, <-a.ended)
}

// stuck is a log that nobody reads.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

func TestSignalsArriveAlthoughNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	log := stuck{make(chan struct{})}
	t.Cleanup(func() { close(log.release) })
	aborted := make(chan int, 1)
	g := &gate{cancel: cancel, abort: func(code int) { aborted <- code }, log: slog.New(slog.NewTextHandler(log, nil))}
	signals := make(chan os.Signal)
	stop := g.follow(signals)
	defer stop()
	signals <- syscall.SIGTERM
	<-ctx.Done()
	signals <- syscall.SIGTERM
	assert.Equal(t, 143, <-aborted)
}

// slowToRelease never leads, and takes its time to end.
type slowToRelease struct{ release chan struct{} }

func (slowToRelease) Remaining() time.Duration { return 0 }

func (l slowToRelease) Lead(ctx context.Context, _ func(context.Context, int64) error) error {
	<-ctx.Done()
	<-l.release
	return ctx.Err()
}

func TestSignalBetweenTwoRunsEndsTheContest(t *testing.T) {
	t.Parallel()
	a := compete(t, child("exit", "5"), func(c *contest) { c.restart, c.delay = restartAlways, time.Hour })
	a.win()
	a.expect("exit 1 of me")
	a.signals <- syscall.SIGTERM
	assert.Equal(t, result{code: 5}, <-a.ended)
}

func TestCommandThatEndedIsNotRunAgainThoughTheLeadershipEndsToo(t *testing.T) {
	t.Parallel()
	a := compete(t, child("exit", "6"), func(c *contest) { c.elector = endsWithTheWork{c.elector} })
	a.win()
	a.expect("exit 1 of me")
	assert.Equal(t, result{code: 6}, <-a.ended)
}

// endsWithTheWork loses every leadership in the moment in which its work returns.
type endsWithTheWork struct{ leader }

func (l endsWithTheWork) Lead(ctx context.Context, work func(context.Context, int64) error) error {
	return l.leader.Lead(ctx, func(leadership context.Context, term int64) error {
		_ = work(leadership, term)
		<-ctx.Done() // only the contest itself can end this
		return errors.New("lost")
	})
}

func TestFailureOfTheElectorIsTold(t *testing.T) {
	t.Parallel()
	failure := errors.New("stopped by somebody")
	a := compete(t, child("exit", "0"), func(c *contest) { c.elector = unable{failure} })
	assert.Equal(t, result{exitRun, failure}, <-a.ended)
}

type unable struct{ err error }

func (unable) Remaining() time.Duration { return 0 }

func (l unable) Lead(context.Context, func(context.Context, int64) error) error { return l.err }

func TestRunElectsOnADirectory(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.Environ = append(term.Environ, "INHERITED=yes")
	store := "file://" + t.TempDir()
	code, out, says := term.run(append([]string{"run", "--store", store, "--key", "k", "--id", "me", "--"}, child("environment", "7")...)...)
	assert.Equal(t, 7, code, says)
	assert.Equal(t, "environment 1 of me\n"+store+" k yes\n", out)
	for line := range strings.Lines(says) {
		assert.Contains(t, line, " server=me ", "every line of the log names the candidate, in the same way")
	}

	code, out, _ = newTerminal(t).run("status", "--store", store, "--key", "k")
	assert.Equal(t, exitNobody, code)
	assert.Contains(t, out, "the last leader has resigned")
}

func TestRunHasAnIDAndAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	first, err := (&runOptions{place: place{key: "k"}}).electorConfig()
	require.NoError(t, err)
	second, err := (&runOptions{place: place{key: "k"}}).electorConfig()
	require.NoError(t, err)
	assert.NotEqual(t, first.ServerID, second.ServerID)
	assert.Equal(t, hostname()+":8443", first.ServerAddr)
}

func TestFlagsAfterTheCommandAreTheCommands(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	store := "file://" + t.TempDir()
	code, out, says := term.run("run", "--store", store, "--key", "k", "sh", "-c", "echo $0", "--lease")
	assert.Equal(t, 0, code, says)
	assert.Equal(t, "--lease\n", out)
}
