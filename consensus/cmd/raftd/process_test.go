//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is longer than anything should take on a machine that is busy.
const patience = 2 * time.Minute

// process is a raftd that runs on its own.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *lines
	ended chan struct{} // closed when it has; then code is set
	code  int
}

// start runs raftd with these arguments.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, command(args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, log: &lines{serves: make(chan struct{})}, ended: make(chan struct{})}
	p.cmd.Stderr = p.log
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			p.code = exit.ExitCode()
		} else if err != nil {
			p.code = -1 // by a signal
		}
	}()
	t.Cleanup(func() {
		p.kill()
		// A process that is killed has no exit status that would tell.
		assert.False(t, p.log.contains("WARNING: DATA RACE"), "the race detector has found something")
		if t.Failed() {
			t.Logf("raftd %s\n%s", strings.Join(cmd.Args[1:], " "), p.log)
		}
	})
	return p
}

// startNode runs a node and returns when it answers.
func startNode(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"run"}, args...)...)
	select {
	case <-p.log.serves:
	case <-p.ended:
		require.FailNow(t, "it has ended", "raftd run %s\n%s", strings.Join(args, " "), p.log)
	case <-time.After(patience):
		require.FailNow(t, "it does not answer", "raftd run %s\n%s", strings.Join(args, " "), p.log)
	}
	return p
}

// command is raftd in this test's binary, with the race detector if that has it.
func command(args ...string) *exec.Cmd {
	cmd := commandOf(os.Args[0], args...)
	cmd.Env = append(cmd.Env, childVariable+"=1")
	return cmd
}

func commandOf(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "RAFTD_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}

// do runs a command to its end.
func do(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := command(args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	var exit *exec.ExitError
	if failure := cmd.Run(); failure != nil {
		require.ErrorAs(t, failure, &exit)
		code = exit.ExitCode()
	}
	return code, out.String(), err.String()
}

// kill ends the process as a power failure would, and waits for that.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails if it has ended
	<-p.ended
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// exits waits for the end of the process and returns its status.
func (p *process) exits() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.FailNow(p.t, "it does not end", p.log)
	}
	return p.code
}

// lines are what a process has logged.
type lines struct {
	mu     sync.Mutex
	text   bytes.Buffer
	served bool
	serves chan struct{} // closed when the API answers
}

var servesInLog = regexp.MustCompile(`msg="the API is served"`)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if !l.served && servesInLog.Match(l.text.Bytes()) {
		l.served = true
		close(l.serves)
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) contains(text string) bool { return l.count(text) > 0 }

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }
