//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// built is the directory that s3lect has been built into, and what that has come to.
var built struct {
	once sync.Once
	dir  string
	said []byte
	err  error
}

// buildCommand builds s3lect, once for all tests.
func buildCommand(t *testing.T) (binary string) {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "s3lect-"); built.err == nil { //nolint:usetesting // it outlives the test
			built.said, built.err = exec.Command("go", "build", "-o", built.dir, "github.com/seed-6dc909bb/s3lect/cmd/s3lect").CombinedOutput()
		}
	})
	require.NoError(t, built.err, "%s", built.said)
	return filepath.Join(built.dir, "s3lect")
}

// program is a process that can be killed, and started again.
type program struct {
	t      *testing.T
	id     string
	args   []string
	env    []string
	output string // file that it writes to
	cmd    *exec.Cmd
}

func (p *program) start() {
	p.t.Helper()
	output, err := os.OpenFile(p.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(p.t, err)
	defer output.Close()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, output, output
	require.NoError(p.t, p.cmd.Start())
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

func (p *program) wait() error { return p.cmd.Wait() }

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cleanUp kills what a failed test has left, and shows what it said.
func (p *program) cleanUp() {
	if p.cmd != nil {
		p.kill()
	}
	if p.t.Failed() {
		said, _ := os.ReadFile(p.output)
		p.t.Logf("%s said:\n%s", p.id, said)
	}
}
