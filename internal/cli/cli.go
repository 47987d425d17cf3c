// Package cli is the s3lect command, as a function that can be called: it takes its arguments,
// files, environment and signals from [App] and touches no global state of the process, apart from
// what "run" needs to supervise children.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// Exit statuses. Commands whose status answers a question have further meanings for them, which
// their help lists.
const (
	exitOK      = 0
	exitFailure = 1 // the command could not do its work
	exitUsage   = 2 // it was called in a wrong way
	exitNobody  = 3 // status: nobody leads
	exitBad     = 4 // status, repair: the object is not a leader record
	exitRun     = 125
)

// App is what the command takes from the process it runs in.
type App struct {
	// Stdin, Stdout and Stderr are also those of commands that are run.
	Stdin, Stdout, Stderr *os.File
	// LookupEnv is os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Environ is the environment that commands are run with.
	Environ []string
	// Open opens the storage that a URL names.
	Open func(ctx context.Context, url string) (s3lect.Storage, error)
	// Signals receives the operator's requests to end. The first one is obeyed gently.
	Signals <-chan os.Signal
	// Abort ends the process without further ado, when the operator insists.
	Abort func(code int)

	level, format string // of the log
	parsed        bool   // whether errors are no longer about how the command was called
}

// exitError ends the command with a status of its own. Where err is nil, the command has said
// everything already.
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
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if exit, ok := asExit(err); !ok || exit.err != nil {
		fmt.Fprintf(a.Stderr, "s3lect: %s\n", strings.TrimSuffix(err.Error(), "\n"))
	}
	return a.exitCode(command, err)
}

func (a *App) exitCode(command *cobra.Command, err error) int {
	exit, ok := asExit(err)
	switch {
	case ok && (exit.code != exitUsage || command.Name() != "run"):
		return exit.code
	case command.Name() == "run": // apart from those of the command it runs
		return exitRun
	case !a.parsed, errors.Is(err, s3lect.ErrStorageKey):
		return exitUsage
	default:
		return exitFailure
	}
}

// noArgs is for commands that have flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("%q takes no arguments, but there is %q; see its --help", cmd.CommandPath(), args[0])
	}
	return nil
}

func asExit(err error) (*exitError, bool) {
	var exit *exitError
	ok := errors.As(err, &exit)
	return exit, ok
}

// interruptible ends the context at the first signal, and the process at the second. The returned
// function waits for what it has started.
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
