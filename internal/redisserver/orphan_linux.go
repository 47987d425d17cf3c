package redisserver

import "syscall"

// endsWithItsThread has the system end a server whose test was killed, and could not clean up. It
// does so when the thread ends that has started the server.
func endsWithItsThread() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
