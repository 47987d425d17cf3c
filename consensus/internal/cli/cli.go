// Package cli is the raftd command, as a function that can be called: it takes its arguments, files, environment and
// signals from [App] and touches no global state of the process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftd"
)

// Exit statuses. The help of each command lists those it has.
const (
	exitOK      = 0
	exitFailure = 1 // it could not be done
	exitUsage   = 2 // it was called in a wrong way
	exitNotSo   = 3 // get, delete: no such key; cas: not swapped
	exitUnknown = 4 // it may be done or not, now or later
	exitState   = 5 // run: somebody has to look at what is on stable storage, or at the state machine
)

// App is what the command takes from the process it runs in.
type App struct {
	Stdout, Stderr io.Writer
	// LookupEnv is os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Run is raftd.Run.
	Run func(ctx context.Context, options raftd.Options) error
	// Signals receives the operator's requests to end. The first one is obeyed gently.
	Signals <-chan os.Signal
	// Abort ends the process without further ado, when the operator insists.
	Abort func(code int)

	level, format string // of the log
	parsed        bool   // whether errors are no longer about how the command was called
}

// exitError ends the command with a status of its own. Where err is nil, the command has said everything already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// Main runs the command and returns the process's exit status.
func (a *App) Main(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	root := a.newRootCommand(cancel)
	root.SetArgs(args)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if exit, ok := asExit(err); !ok || exit.err != nil {
		fmt.Fprintf(a.Stderr, "raftd: %s\n", strings.TrimSuffix(err.Error(), "\n"))
	}
	return a.exitCode(err)
}

func (a *App) exitCode(err error) int {
	exit, ok := asExit(err)
	switch {
	case ok:
		return exit.code
	case !a.parsed, errors.Is(err, consensus.ErrConfig):
		return exitUsage
	case errors.Is(err, consensus.ErrUnknownOutcome):
		return exitUnknown
	}
	return exitFailure
}

func asExit(err error) (*exitError, bool) {
	var exit *exitError
	ok := errors.As(err, &exit)
	return exit, ok
}

// interruptible ends the context at the first signal, and the process at the second. The returned function waits for
// what it has started.
func (a *App) interruptible(cancel context.CancelCauseFunc) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			select {
			case s := <-a.Signals:
				if n > 1 {
					a.Abort(signalCode(s))
				}
				cancel(&exitError{code: signalCode(s), err: errors.New("interrupted")})
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// signalCode is how shells report a command that a signal has ended.
func signalCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitFailure
}
