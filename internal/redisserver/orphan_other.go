//go:build !linux

package redisserver

import "syscall"

// endsWithItsThread leaves the servers of a test that was killed behind: other systems have no way.
func endsWithItsThread() *syscall.SysProcAttr { return nil }
