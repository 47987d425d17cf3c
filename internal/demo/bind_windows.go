package demo

import (
	"os/exec"
	"syscall"
)

// bindToParent keeps the terminal's Ctrl-C to the parent, which ends its members in order.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
