// Package process runs programs that start others, such as go test, and ends them all when a measurement is interrupted.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ErrNotInstalled says that a measurement could not be made here, since it needs a program that may be missing.
var ErrNotInstalled = errors.New("what it needs is not installed")

// Grace is how long programs have to end after they were asked to, before they are killed.
const Grace = 10 * time.Second

// Run runs a program in a directory, and writes what it says to out and errs. When ctx ends, so does the program, with all
// that it has started. Its temporary files are removed: a test that is ended removes none, and servers of etcd have large ones.
func Run(ctx context.Context, directory string, out, errs io.Writer, name string, args ...string) error {
	temporary, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // it is temporary
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = directory, out, errs
	cmd.Env = append(cmd.Environ(), "TMPDIR="+temporary)
	cmd.WaitDelay = Grace
	separate(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		killRest(cmd)
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// Output runs a program in a directory and returns what it writes, without spaces around it.
func Output(ctx context.Context, directory string, errs io.Writer, name string, args ...string) (string, error) {
	var out strings.Builder
	err := Run(ctx, directory, &out, errs, name, args...)
	return strings.TrimSpace(out.String()), err
}
