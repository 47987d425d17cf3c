package storagetest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The variables that tell a process of this test binary that it is a child, and what it is to do where.
const (
	childTask  = "STORAGETEST_CHILD_TASK"
	childPlace = "STORAGETEST_CHILD_PLACE"
)

// childReports is where a child reports to, besides what the test framework prints.
const childReports = 3

// beChild does what a child is to do. It returns false in the first process.
func beChild(t *testing.T, engine Engine) bool {
	t.Helper()
	task, place := os.Getenv(childTask), os.Getenv(childPlace)
	if task == "" {
		return false
	}
	reports := os.NewFile(childReports, "reports")
	switch task {
	case "open":
		childOpen(engine, place, reports)
	case "write":
		childWrite(t, engine, place, reports)
	case "fill":
		childFill(t, engine, place, reports)
	default:
		t.Fatalf("task %q of a child is not known", task)
	}
	return true
}

// child is a process of the same test binary.
type child struct {
	command *exec.Cmd
	reports *bufio.Scanner
	output  strings.Builder // of the test framework
}

// newChild prepares a child that runs the same test as this process and, in it, a task.
func newChild(t *testing.T, task, place string) (*child, *os.File) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("children report through a file that this system does not hand on")
	}
	reports, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = reports.Close() })

	top, _, _ := strings.Cut(t.Name(), "/")
	c := &child{reports: bufio.NewScanner(reports)}
	c.command = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+regexp.QuoteMeta(top)+"$", "-test.count=1", "-test.v=false")
	// A program with the race detector sleeps for a second when it exits, unless told not to.
	c.command.Env = append(os.Environ(), childTask+"="+task, childPlace+"="+place, "GORACE=atexit_sleep_ms=0")
	c.command.ExtraFiles = []*os.File{write}
	c.command.Stdout, c.command.Stderr = &c.output, &c.output
	return c, write
}

// startChild starts a child.
func startChild(t *testing.T, task, place string) *child {
	t.Helper()
	c, write := newChild(t, task, place)
	require.NoError(t, c.command.Start())
	require.NoError(t, write.Close())
	return c
}

// childOpen says whether the storage can be opened.
func childOpen(engine Engine, place string, reports *os.File) {
	s, err := engine.Open(place)
	if err != nil {
		_, _ = fmt.Fprintf(reports, "refused %q\n", err.Error())
		return
	}
	_, _ = fmt.Fprintf(reports, "opened\n")
	_ = s.Close()
}

func testSecondProcess(t *testing.T, engine Engine) {
	t.Helper()
	place := engine.Place(t)
	s, err := engine.Open(place)
	require.NoError(t, err)
	set(t, s, "a", "one")
	ask := func() string {
		c := startChild(t, "open", place)
		require.True(t, c.reports.Scan(), "no report: %s", &c.output)
		require.NoError(t, c.command.Wait(), "%s", &c.output)
		return c.reports.Text()
	}
	answer := ask()
	require.Contains(t, answer, "refused")
	require.Contains(t, answer, "in use", "the error says why")
	requireValue(t, s, "a", "one")
	require.NoError(t, s.Close())
	require.Equal(t, "opened", ask())
}
