//go:build unix

package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a command and what it has started, all in one process group. Its methods are safe for
// concurrent use.
type Process struct {
	guard   *exec.Cmd
	control *os.File

	start  func()        // called once it is known whether the command could be started
	exited chan struct{} // closed once it is known how the command ended
	done   chan struct{} // closed once nothing of the group is left

	status Status // written before exited is closed

	mu   sync.Mutex
	gone bool // the guard is being collected: its number may be another's by now
}

// Start starts a command that is killed at the deadline unless [Process.Extend] moves it. It
// returns once the command has started or is known not to: see [Status.Err]. An error means that
// not even a guard could be started.
//
// On Linux this process becomes the one that orphaned descendants are handed to.
func Start(spec Spec, deadline time.Time) (*Process, error) {
	if len(spec.Args) == 0 {
		return nil, errors.New("no command given")
	}
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	started := make(chan struct{})
	p := &Process{
		start:  sync.OnceFunc(func() { close(started) }),
		exited: make(chan struct{}),
		done:   make(chan struct{}),
	}
	reports, err := p.startGuard(spec, deadline)
	if err != nil {
		return nil, fmt.Errorf("start a guard for the command: %w", err)
	}
	go p.follow(reports)
	<-started
	return p, nil
}

func (p *Process) startGuard(spec Spec, deadline time.Time) (reports *os.File, err error) {
	path, err := executable()
	if err != nil {
		return nil, err
	}
	controlRead, controlWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, controlRead.Close(), controlWrite.Close())
	}
	p.control = controlWrite
	//nolint:noctx // a context would kill the guard alone; its end comes by the pipe, and takes the group along
	p.guard = exec.Command(path, append([]string{guardArg}, spec.Args...)...)
	p.guard.Args[0] = os.Args[0]
	p.guard.Env = spec.Env
	p.guard.Stdin, p.guard.Stdout, p.guard.Stderr = file(spec.Stdin), file(spec.Stdout), file(spec.Stderr)
	p.guard.ExtraFiles = []*os.File{controlRead, reportWrite}
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	err = writeDeadline(controlWrite, deadline)
	if err == nil {
		err = p.guard.Start()
	}
	// The guard has its own copies now; only when these are closed does an end of file mean its end.
	err = errors.Join(err, controlRead.Close(), reportWrite.Close())
	if err != nil {
		return nil, errors.Join(err, controlWrite.Close(), reportRead.Close())
	}
	return reportRead, nil
}

// executable is the running program itself, also where its file was replaced in the meantime.
func executable() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); runtime.GOOS == "linux" && err == nil {
		return self, nil
	}
	return os.Executable()
}

// follow reads what the guard reports until the guard has ended, and ends what it left.
func (p *Process) follow(reports *os.File) {
	defer close(p.done)
	known := p.read(reports)
	_ = reports.Close()

	p.mu.Lock()
	_ = syscall.Kill(-p.guard.Process.Pid, syscall.SIGKILL)
	p.gone = true
	p.mu.Unlock()
	_ = p.guard.Wait() // how the guard ended is in its state
	_ = p.control.Close()

	if !known {
		p.settle(guardStatus(p.guard.ProcessState))
	}
	awaitGroup(p.guard.Process.Pid)
	reapStrays()
}

// read returns, at the end of the reports, whether one of them said how the command ended.
func (p *Process) read(reports *os.File) (known bool) {
	for decoder := json.NewDecoder(reports); ; {
		var r report
		if err := decoder.Decode(&r); err != nil {
			return known
		}
		switch {
		case r.Started:
			p.start()
		case !known:
			known = true
			p.settle(r.status())
		}
	}
}

func (r report) status() Status {
	s := Status{Code: r.Code, Signal: syscall.Signal(r.Signal), Expired: r.Expired}
	if r.Error != "" {
		s.Err = errors.New(r.Error)
	}
	if r.Expired {
		s.Signal = syscall.SIGKILL
	}
	return s
}

// guardStatus stands in for a report where the guard died before it could make one: whatever
// killed it, in general the signal to the group, ended the command too.
func guardStatus(state *os.ProcessState) Status {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return Status{Signal: ws.Signal()}
	}
	return Status{Code: CodeCannotRun, Err: fmt.Errorf("the guard ended unexpectedly: %v", state)}
}

func (p *Process) settle(s Status) {
	p.status = s
	close(p.exited)
	p.start()
}

// Exited is closed when the command has ended. Processes it has started may still be there.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Done is closed when nothing of the group is left.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status is how the command ended. It waits for that.
func (p *Process) Status() Status {
	<-p.exited
	return p.status
}

// Signal sends a signal to the whole group; it does nothing if that has ended.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		_ = syscall.Kill(-p.guard.Process.Pid, s)
	}
}

// Kill ends the whole group, the guard included.
func (p *Process) Kill() { p.Signal(syscall.SIGKILL) }

// Extend moves the deadline at which the guard kills the group. If the guard does not take it (it
// is stopped, or has ended), the earlier deadline stands.
func (p *Process) Extend(deadline time.Time) {
	_ = p.control.SetWriteDeadline(time.Now().Add(extendTimeout))
	_ = writeDeadline(p.control, deadline)
}

// extendTimeout bounds the wait for a full pipe, which is one whose guard has long been stopped.
const extendTimeout = 10 * time.Millisecond

// file keeps a nil *os.File from becoming an interface that is not nil.
func file(f *os.File) io.ReadWriter {
	if f == nil {
		return nil
	}
	return f
}
