package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrTwoLeaders says that two processes believed at once that they led.
var ErrTwoLeaders = errors.New("two processes believed at once that they led")

// Run plays the demo and tells about it on opts.Out. No process it started is left when it returns.
// The error is ErrTwoLeaders if the audit found two leaders, and the context's cause if it ended first.
func Run(ctx context.Context, opts Options) (err error) {
	if err := opts.Validate(); err != nil {
		return err
	}
	if opts.member == nil {
		if opts.member, err = thisProgram(); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(opts.tempDir, "s3lect-demo-")
	if err != nil {
		return fmt.Errorf("create the demo's directory: %w", err)
	}
	err = run(ctx, opts, dir)
	if worthKeeping := err != nil && ctx.Err() == nil; opts.Keep || worthKeeping {
		fmt.Fprintf(opts.Err, "The record, the audit and the logs are in %s\n", dir)
	} else if rmErr := os.RemoveAll(dir); rmErr != nil {
		err = errors.Join(err, fmt.Errorf("remove the demo's directory: %w", rmErr))
	}
	return err
}

// thisProgram runs members with the program that is running now.
func thisProgram() (func(MemberOptions) *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start it once more: %w", err)
	}
	return func(o MemberOptions) *exec.Cmd {
		//nolint:noctx // a member is asked to end, through its input
		return exec.Command(self, append([]string{MemberCommand}, o.Args()...)...)
	}, nil
}

func run(ctx context.Context, opts Options, dir string) error {
	for _, sub := range []string{"storage", "audit", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return fmt.Errorf("prepare the demo's directory: %w", err)
		}
	}
	c := newCluster(opts, dir)
	d := newDisplay(opts)
	endShow := d.show(c)
	err := play(ctx, c, opts.Lease)
	ended := clock()
	endShow() // before anything that takes time: whoever is impatient gets the terminal back as it was
	c.stop()
	if ctx.Err() != nil {
		return fmt.Errorf("the demo was interrupted, and all its processes have ended: %w", context.Cause(ctx))
	}
	if err != nil {
		d.fail(c)
		return err
	}

	ch, err := c.chronicle(ended)
	if err != nil {
		return err
	}
	result := ch.result(opts)
	if opts.Keep || result.TwoLeaders > 0 {
		result.Directory = dir
	}
	if err := d.conclude(ch, result); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if result.TwoLeaders > 0 {
		return fmt.Errorf("%w, for %s", ErrTwoLeaders, millis(result.TwoLeaders))
	}
	return nil
}

// writeJSON writes the result for programs.
func (r *Result) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
