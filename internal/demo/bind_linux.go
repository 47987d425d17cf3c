package demo

import (
	"os/exec"
	"syscall"
)

// bindToParent keeps the terminal's Ctrl-C to the parent, which ends its members in order, and has
// the kernel kill a member whose parent is gone, even a frozen one that cannot notice.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
