package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// commandAttr makes the kernel kill the command when its guard ends, however that happens.
func commandAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// adoptOrphans makes this process the parent of descendants whose own parent has ended, so that it
// can wait for all of them.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphaned processes: %w", err)
	}
	return nil
}

// awaitGroup returns when nothing of a killed group is left. Its members are children of this
// process by now, or become so when those above them end.
func awaitGroup(pgid int) {
	for {
		_, err := syscall.Wait4(-pgid, nil, 0, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// reapStrays collects processes that left their group, were handed to this one when their guard
// ended, and have ended since: nobody else would. A session of their own tells them from children
// that somebody else here waits for. The kernel hands orphans to the first thread.
func reapStrays() {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())) // not in every kernel
	own, _ := unix.Getsid(0)
	for field := range strings.FieldsSeq(string(list)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if session, err := unix.Getsid(pid); err == nil && session != own {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
