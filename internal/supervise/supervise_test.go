//go:build unix

package supervise

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree is a running job with its output in a pipe. The pipe ends when the last process that holds
// it has ended, which is how these tests know that nothing is left.
type tree struct {
	t       *testing.T
	job     Job
	out     *bufio.Reader
	signals chan syscall.Signal
	revoke  context.CancelCauseFunc

	status Status
	cause  Cause
	ended  time.Time
	done   chan struct{}
}

func run(t *testing.T, args []string, change func(*Job)) *tree {
	t.Helper()
	out, outWrite := pipe(t)
	start := time.Now()
	tr := &tree{t: t, out: bufio.NewReader(out), signals: make(chan syscall.Signal, 4), done: make(chan struct{})}
	tr.job = Job{
		Spec:      Spec{Args: args, Env: os.Environ(), Stdout: outWrite, Stderr: os.Stderr},
		Grace:     time.Hour,
		Remaining: func() time.Duration { return time.Hour - time.Since(start) },
		KillBy:    func(error) time.Time { return time.Now().Add(time.Hour) },
		Margin:    10 * time.Millisecond,
		Refresh:   10 * time.Millisecond,
	}
	if change != nil {
		change(&tr.job)
	}
	ctx, revoke := context.WithCancelCause(t.Context())
	tr.revoke = revoke
	go func() {
		defer close(tr.done)
		var err error
		tr.status, tr.cause, err = tr.job.Run(ctx, tr.signals)
		tr.ended = time.Now()
		assert.NoError(t, err)
		assert.NoError(t, outWrite.Close())
	}()
	t.Cleanup(func() { revoke(nil); tr.job.Grace = 0; <-tr.done })
	return tr
}

func (tr *tree) expect(line string) {
	tr.t.Helper()
	got, err := tr.out.ReadString('\n')
	require.NoError(tr.t, err)
	require.Equal(tr.t, line+"\n", got)
}

func (tr *tree) wait() (Status, Cause, string) {
	tr.t.Helper()
	rest, err := io.ReadAll(tr.out)
	require.NoError(tr.t, err)
	<-tr.done
	return tr.status, tr.cause, string(rest)
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func TestExitStatusIsPassedOn(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"0", "1", "42", "255"} {
		status, cause, _ := run(t, child("exit", code), nil).wait()
		assert.Equal(t, Status{Code: number(code)}, status)
		assert.Equal(t, number(code), status.ExitCode())
		assert.Equal(t, ByItself, cause)
	}
}

func TestSignalThatEndedTheCommandIsPassedOn(t *testing.T) {
	t.Parallel()
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it, and then nothing ends by it
		signals = append(signals, syscall.SIGHUP)
	}
	for _, s := range signals {
		status, cause, _ := run(t, child("die", strconv.Itoa(int(s))), nil).wait()
		assert.Equal(t, Status{Signal: s}, status)
		assert.Equal(t, 128+int(s), status.ExitCode())
		assert.Equal(t, ByItself, cause)
	}
}

func TestStreamsArgumentsAndEnvironmentArePassedThrough(t *testing.T) {
	t.Parallel()
	in, inWrite := pipe(t)
	errRead, errWrite := pipe(t)
	_, err := inWrite.WriteString("stdin")
	require.NoError(t, err)
	require.NoError(t, inWrite.Close())
	tr := run(t, child("echo", "a b"), func(j *Job) {
		j.Stdin, j.Stderr, j.Env = in, errWrite, append(os.Environ(), "GREETING=hello")
	})
	status, _, out := tr.wait()
	require.NoError(t, errWrite.Close())
	stderr, err := io.ReadAll(errRead)
	require.NoError(t, err)
	assert.Equal(t, Status{}, status)
	assert.Equal(t, "hello a b stdin", out)
	assert.Equal(t, "to stderr", string(stderr))
}

func TestCommandThatCannotRunIsNamed(t *testing.T) {
	t.Parallel()
	notExecutable := filepath.Join(t.TempDir(), "job")
	require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
	for path, code := range map[string]int{"no-such-command": CodeNotFound, "/no/such/file": CodeNotFound, notExecutable: CodeCannotRun} {
		status, cause, _ := run(t, []string{path}, nil).wait()
		assert.Equal(t, code, status.ExitCode(), path)
		assert.ErrorContains(t, status.Err, path)
		assert.Equal(t, ByItself, cause)
	}
}

func TestRevokedCommandIsAskedFirst(t *testing.T) {
	t.Parallel()
	tr := run(t, child("obey", "3"), nil)
	tr.expect("ready")
	tr.revoke(errors.New("lost"))
	status, cause, out := tr.wait()
	assert.Equal(t, "terminated\n", out)
	assert.Equal(t, Status{Code: 3}, status)
	assert.Equal(t, Revoked, cause)
}

func TestStubbornCommandIsKilledAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	const grace = 100 * time.Millisecond
	tr := run(t, child("stubborn"), func(j *Job) { j.Grace = grace })
	tr.expect("ready")
	revoked := time.Now()
	tr.revoke(errors.New("lost"))
	status, cause, out := tr.wait()
	assert.Equal(t, "terminated\n", out)
	assert.Equal(t, Status{Signal: syscall.SIGKILL}, status)
	assert.Equal(t, Revoked, cause)
	assert.GreaterOrEqual(t, tr.ended.Sub(revoked), grace)
}

func TestStubbornCommandIsGoneBeforeThePermissionRunsOut(t *testing.T) {
	t.Parallel()
	var end time.Time
	cause := errors.New("lost")
	tr := run(t, child("family"), func(j *Job) {
		j.Margin = time.Second
		j.KillBy = func(err error) time.Time {
			assert.Equal(t, cause, err)
			end = time.Now().Add(1500 * time.Millisecond)
			return end
		}
	})
	tr.expect("ready")
	tr.revoke(cause)
	status, _, _ := tr.wait()
	assert.Equal(t, Status{Signal: syscall.SIGKILL}, status)
	assert.True(t, tr.ended.Before(end), "ended %v late", tr.ended.Sub(end))
}

func TestCommandIsKilledAtOnceWhenAnotherMayLeadAlready(t *testing.T) {
	t.Parallel()
	tr := run(t, child("family"), func(j *Job) { j.KillBy = func(error) time.Time { return time.Time{} } })
	tr.expect("ready")
	tr.revoke(errors.New("lost")) // with a grace period of an hour
	status, cause, _ := tr.wait()
	assert.Equal(t, syscall.SIGKILL, status.Signal) // from the supervisor or the guard, whoever is first
	assert.Equal(t, Revoked, cause)
}

func TestWhatTheCommandStartedMayWindDownAfterIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux hands orphans to the guard; elsewhere they are killed at once")
	}
	t.Parallel()
	tr := run(t, child("slow family"), nil)
	tr.expect("ready")
	tr.revoke(errors.New("lost"))
	status, _, out := tr.wait()
	assert.Equal(t, "wound down\n", out)
	assert.Equal(t, Status{}, status)
}

func TestWhatTheCommandLeavesBehindIsKilled(t *testing.T) {
	t.Parallel()
	tr := run(t, child("abandon", "5"), func(j *Job) { j.Grace = 50 * time.Millisecond })
	status, cause, _ := tr.wait() // the end of the output is the end of the child left behind
	assert.Equal(t, Status{Code: 5}, status)
	assert.Equal(t, ByItself, cause)
}

func TestWhatLeftTheGroupIsCollectedWhenItHasEnded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux hands orphans to the supervisor")
	}
	t.Parallel()
	in, inWrite := pipe(t)
	_, _, out := run(t, child("daemon"), func(j *Job) { j.Stdin, j.Grace = in, 10*time.Millisecond }).wait()
	daemon := number(strings.TrimSpace(out))
	require.NoError(t, syscall.Kill(daemon, 0), "it is out of reach")
	require.NoError(t, inWrite.Close())
	for deadline := time.Now().Add(10 * time.Second); ; {
		run(t, child("exit", "0"), nil).wait()
		if errors.Is(syscall.Kill(daemon, 0), syscall.ESRCH) {
			return
		}
		require.True(t, time.Now().Before(deadline), "it stays in the process table")
	}
}

func TestFirstSignalIsForwardedAndTheStatusPassedOn(t *testing.T) {
	t.Parallel()
	tr := run(t, child("obey", "7"), nil)
	tr.expect("ready")
	tr.signals <- syscall.SIGINT
	status, cause, out := tr.wait()
	assert.Equal(t, "interrupt\n", out)
	assert.Equal(t, Status{Code: 7}, status)
	assert.Equal(t, Stopped, cause)
}

func TestSecondSignalKillsAtOnce(t *testing.T) {
	t.Parallel()
	tr := run(t, child("stubborn"), nil)
	tr.expect("ready")
	tr.signals <- syscall.SIGTERM
	tr.expect("terminated")
	tr.signals <- syscall.SIGTERM
	status, cause, out := tr.wait()
	assert.Empty(t, out)
	assert.Equal(t, Status{Signal: syscall.SIGKILL}, status)
	assert.Equal(t, Stopped, cause)
}

func TestDeadlineMovesAsLongAsThePermissionLasts(t *testing.T) {
	t.Parallel()
	const step = time.Second
	var asked atomic.Int64
	tr := run(t, child("stubborn"), func(j *Job) {
		j.Remaining = func() time.Duration { asked.Add(1); return step }
	})
	tr.expect("ready")
	start := time.Now()
	for time.Since(start) < 2*step {
		select {
		case <-tr.done:
			t.Fatal("the command was killed although its permission lasts")
		case <-time.After(step / 10):
		}
	}
	assert.Greater(t, asked.Load(), int64(2))
	tr.revoke(errors.New("lost"))
	tr.expect("terminated")
	tr.signals <- syscall.SIGTERM
	tr.signals <- syscall.SIGTERM
	tr.wait()
}

func TestCommandIsNotLeftRunningWhenThePermissionIsNotRenewed(t *testing.T) {
	t.Parallel()
	start := time.Now()
	const lasts = 300 * time.Millisecond
	tr := run(t, child("family"), func(j *Job) {
		j.Remaining = func() time.Duration { return max(0, lasts-time.Since(start)) }
	})
	// Nobody revokes: it is the guard that acts.
	status, cause, _ := tr.wait()
	assert.Equal(t, Status{Signal: syscall.SIGKILL, Expired: true}, status)
	assert.Equal(t, Revoked, cause)
}

func TestCommandIsNotStartedWithoutPermission(t *testing.T) {
	t.Parallel()
	tr := run(t, child("stubborn"), func(j *Job) { j.Remaining = func() time.Duration { return 0 } })
	status, cause, out := tr.wait()
	assert.True(t, status.Expired)
	assert.Equal(t, Revoked, cause)
	assert.Empty(t, out)
}

// expire makes a process look as if its guard had ended it and nothing of it were left.
func expire(p *Process) {
	p.status = Status{Signal: syscall.SIGKILL, Expired: true}
	close(p.exited)
	close(p.done)
}

func unstarted() *Process {
	return &Process{gone: true, exited: make(chan struct{}), done: make(chan struct{})}
}

func TestAnEndByTheGuardIsARevocationInWhateverOrderItIsSeen(t *testing.T) {
	t.Parallel()
	for range 100 { // select chooses among what is ready
		p := unstarted()
		expire(p)
		_, cause := (&Job{Grace: time.Hour}).wait(t.Context(), nil, p)
		require.Equal(t, Revoked, cause)
	}
}

func TestAnEndByTheGuardAfterASignalIsTheOperators(t *testing.T) {
	t.Parallel()
	for range 100 {
		p, signals, ended := unstarted(), make(chan syscall.Signal), make(chan Cause)
		go func() {
			_, cause := (&Job{Grace: time.Hour}).wait(t.Context(), signals, p)
			ended <- cause
		}()
		signals <- syscall.SIGTERM
		expire(p)
		require.Equal(t, Stopped, <-ended)
	}
}

// supervisor starts another process that starts a family, and returns that process, the number of
// the family's guard, and the family's output.
func supervisor(t *testing.T, lasts time.Duration) (cmd *exec.Cmd, guard int, family *bufio.Reader) {
	t.Helper()
	out, outWrite := pipe(t)
	cmd = exec.Command(os.Args[0], childArg, "supervisor", lasts.String())
	cmd.ExtraFiles = []*os.File{outWrite}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.NoError(t, outWrite.Close())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	family = bufio.NewReader(out)
	ready, err := family.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", ready)
	return cmd, number(strings.TrimSpace(line)), family
}

func awaitEnd(t *testing.T, family io.Reader) {
	t.Helper()
	_, err := io.ReadAll(family)
	require.NoError(t, err)
}

func TestKilledSupervisorLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	cmd, _, family := supervisor(t, time.Hour)
	require.NoError(t, cmd.Process.Kill())
	awaitEnd(t, family)
}

func TestStoppedSupervisorCannotHoldTheDeadlineUp(t *testing.T) {
	t.Parallel()
	const lasts = 3 * time.Second
	cmd, _, family := supervisor(t, lasts)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	awaitEnd(t, family)
}

func TestKilledGuardTakesTheFamilyAlong(t *testing.T) {
	t.Parallel()
	_, guard, family := supervisor(t, time.Hour)
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	awaitEnd(t, family)
}

func TestCommandDiesWithItsGuardEvenIfTheSupervisorCannotAct(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is a parent-death signal only on Linux")
	}
	t.Parallel()
	out, outWrite := pipe(t)
	p, err := Start(Spec{Args: child("stubborn"), Env: os.Environ(), Stdout: outWrite}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, outWrite.Close())
	family := bufio.NewReader(out)
	_, err = family.ReadString('\n')
	require.NoError(t, err)

	p.mu.Lock() // keeps this supervisor from killing the group
	require.NoError(t, syscall.Kill(p.guard.Process.Pid, syscall.SIGKILL))
	awaitEnd(t, family)
	p.mu.Unlock()
	<-p.Done()
	assert.Equal(t, Status{Signal: syscall.SIGKILL}, p.Status())
}

func TestSignalsAfterTheEndGoNowhere(t *testing.T) {
	t.Parallel()
	p, err := Start(Spec{Args: child("exit", "0"), Env: os.Environ()}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	<-p.Done()
	p.Kill()
	p.Extend(time.Now())
	assert.Equal(t, Status{}, p.Status())
}

func TestStartWithoutCommandIsAnError(t *testing.T) {
	_, err := Start(Spec{}, time.Now())
	assert.EqualError(t, err, "no command given")
}
