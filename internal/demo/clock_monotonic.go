//go:build linux || darwin || freebsd || openbsd || dragonfly || solaris

package demo

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockName says which clock the audit's times come from.
const clockName = "CLOCK_MONOTONIC"

// clock reads a clock that all processes on this machine share and that nobody can set. (The
// readings of time.Now cannot serve: their monotonic part means something to one process only.)
func clock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read " + clockName + ": " + err.Error()) // every kernel of these systems has it
	}
	return time.Duration(ts.Nano())
}
