//go:build unix

package process

import (
	"os/exec"
	"syscall"
)

// separate gives the program a process group of its own, so that all of it can be ended: go test starts the tests, and they
// start servers.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}

// killRest kills what has not ended when it was asked to.
func killRest(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there may be nothing left
	}
}
