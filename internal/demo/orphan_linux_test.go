package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A frozen process cannot notice that its input has ended: the kernel has to see to it. The test
// becomes the members' new parent, in their session, as the first process of a container would;
// otherwise the kernel would also hang up on them, for being a stopped group without a shell.
func TestNoMemberNotEvenAFrozenOneOutlivesAKilledDemo(t *testing.T) {
	t.Parallel()
	require.NoError(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	self, err := os.Executable()
	require.NoError(t, err)
	parent := exec.Command(self, t.TempDir())
	parent.Env = append(os.Environ(), roleVariable+"=demo")
	out := &witness{want: "leads, term 3", seen: make(chan struct{})}
	parent.Stdout, parent.Stderr = out, os.Stderr
	require.NoError(t, parent.Start())
	<-out.seen
	members := children(t, parent.Process.Pid)
	require.Len(t, members, 3)

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	for _, pid := range members {
		assert.Eventually(t, func() bool { return hasEnded(t, pid) },
			10*time.Second, 10*time.Millisecond, "member %d is still there", pid)
	}
}

// hasEnded says whether a process is gone, or has ended and waits for its new parent to take note.
func hasEnded(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if os.IsNotExist(err) || errors.Is(err, syscall.ESRCH) {
		return true
	}
	assert.NoError(t, err)
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

// children lists the child processes of a process.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if os.IsNotExist(err) {
			continue // a thread that has just ended
		}
		require.NoError(t, err)
		for _, field := range strings.Fields(string(data)) {
			var child int
			_, err := fmt.Sscan(field, &child)
			require.NoError(t, err)
			pids = append(pids, child)
		}
	}
	return pids
}
