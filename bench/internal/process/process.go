// Package process runs programs that start others, such as go test, and ends them all when a measurement is interrupted.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// ErrNotInstalled says that a measurement could not be made here, since it needs a program that may be missing.
var ErrNotInstalled = errors.New("what it needs is not installed")

// Grace is how long programs have to end after they were asked to, before they are killed.
const Grace = 10 * time.Second

// Run runs a program in a directory, and writes what it says to out and errs. When ctx ends, so does the program, with all
// that it has started.
func Run(ctx context.Context, directory string, out, errs io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = directory, out, errs
	cmd.WaitDelay = Grace
	separate(cmd)
	err := cmd.Run()
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
