//go:build !(linux || darwin || freebsd || openbsd || dragonfly || solaris)

package demo

import "time"

// clockName says which clock the audit's times come from.
const clockName = "wall clock"

// clock reads the wall clock, which all processes on this machine share. A step of it while the
// demo runs would show in the figures.
func clock() time.Duration { return time.Duration(time.Now().UnixNano()) }
