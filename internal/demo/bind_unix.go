//go:build unix && !linux

package demo

import (
	"os/exec"
	"syscall"
)

// bindToParent keeps the terminal's Ctrl-C to the parent, which ends its members in order. A process
// group of its own also makes the kernel hang up and continue a frozen member whose parent is gone.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
