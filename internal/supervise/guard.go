//go:build unix

package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// guardArg marks an instance of the executable as a guard.
const guardArg = "__guard"

// GuardMain does the work of a guard and does not return, if this process was started as one.
// A program that calls [Start] calls GuardMain first thing in its main function, and a test in
// TestMain.
func GuardMain() {
	if len(os.Args) > 2 && os.Args[1] == guardArg {
		os.Exit(guardMain(os.Args[2:]))
	}
}

func guardMain(args []string) int {
	// The parent-death signal of the command is sent when the thread that started it ends. The
	// main goroutine, locked, stays on one thread until the process ends.
	runtime.LockOSThread()
	holdSignals()

	g := guard{control: os.NewFile(controlFD, "control"), report: os.NewFile(reportFD, "report")}
	syscall.CloseOnExec(controlFD)
	syscall.CloseOnExec(reportFD)

	left, err := readDeadline(g.control)
	if err != nil {
		fmt.Fprintln(os.Stderr, "s3lect: a guard is started by \"s3lect run\", not by hand:", err)
		return CodeCannotRun
	}
	if left <= 0 {
		g.tell(report{Expired: true})
		return 0
	}
	go g.enforce(left)

	if err := adoptOrphans(); err != nil {
		return g.fail(CodeCannotRun, err)
	}
	pid, err := startCommand(args)
	if err != nil {
		return g.fail(startCode(err), err)
	}
	g.tell(report{Started: true})
	g.reap(pid)
	return 0
}

// holdSignals keeps signals to the group from ending the guard, which has to outlast the command.
// They are caught, not ignored: the command would inherit that they are ignored. Those which this
// process found ignored, as below nohup, it leaves so, for the command to inherit.
func holdSignals() {
	caught := make(chan os.Signal, 1)
	for _, s := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGALRM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
}

type guard struct{ control, report *os.File }

// enforce kills the group when the deadline passes, or the supervisor goes away.
func (g *guard) enforce(left time.Duration) {
	deadlines := make(chan time.Duration)
	go func() {
		defer close(deadlines)
		for {
			next, err := readDeadline(g.control)
			if err != nil {
				return
			}
			deadlines <- next
		}
	}()
	timer := time.NewTimer(left)
	for {
		select {
		case next, ok := <-deadlines:
			if !ok {
				killOwnGroup()
			}
			timer.Reset(next)
		case <-timer.C:
			g.tell(report{Expired: true})
			killOwnGroup()
		}
	}
}

func killOwnGroup() {
	_ = syscall.Kill(0, syscall.SIGKILL) // ends this process as well
	select {}
}

// tell reports to the supervisor in one small write, which the pipe takes whether or not anybody
// is reading. If the supervisor is gone there is nobody to tell, and enforce acts.
func (g *guard) tell(r report) {
	line, _ := json.Marshal(r) // of plain fields: cannot fail
	_, _ = g.report.Write(line)
}

func (g *guard) fail(code int, err error) int {
	g.tell(report{Code: code, Error: err.Error()})
	return code
}

// reap waits for the command, reports how it ended, and returns when no child is left. Where
// orphans are adopted, that means the whole tree.
func (g *guard) reap(command int) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return
		case pid == command && ws.Signaled():
			g.tell(report{Signal: int(ws.Signal())})
		case pid == command:
			g.tell(report{Code: ws.ExitStatus()})
		}
	}
}

// startCommand does not use os/exec, whose own bookkeeping of children would be at odds with reap.
func startCommand(args []string) (int, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return 0, fmt.Errorf("cannot run %q: %w", args[0], unwrapLookup(err))
	}
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
		Sys:   commandAttr(),
	})
	if err != nil {
		return 0, fmt.Errorf("cannot run %q: %w", path, err)
	}
	return pid, nil
}

func unwrapLookup(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func startCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return CodeNotFound
	}
	return CodeCannotRun
}
