//go:build unix && !linux

package supervise

import (
	"syscall"
	"time"
)

// commandAttr: there is no parent-death signal here. If the guard is killed, the supervisor sees
// it and kills the group.
func commandAttr() *syscall.SysProcAttr { return nil }

// adoptOrphans does nothing here: a guard waits for the command alone, and what the command left
// behind in its group is killed as soon as the guard has ended.
func adoptOrphans() error { return nil }

// awaitGroup returns when nothing of a killed group is left, or after a second. The system's first
// process collects the dead.
func awaitGroup(pgid int) {
	for range 1000 {
		if syscall.Kill(-pgid, 0) != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// reapStrays does nothing here: orphans are handed to the system's first process.
func reapStrays() {}
