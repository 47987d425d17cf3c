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
	d := newDisplay(opts)
	var shown outcome
	var err error
	switch {
	case opts.Peers:
		shown, err = compare(ctx, opts, dir, d)
	case opts.Quorum:
		shown, err = outnumber(ctx, opts, dir, d)
	default:
		shown, err = perform(ctx, newCluster(opts, dir), d, func(c *cluster) error { return play(ctx, c, opts.Lease) })
	}
	if err != nil {
		return err
	}
	if opts.Keep || shown.breach() > 0 {
		shown.keep(dir)
	}
	if err := d.conclude(shown); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if shown.breach() > 0 {
		return fmt.Errorf("%w, for %s", ErrTwoLeaders, millis(shown.breach()))
	}
	return nil
}

// perform plays a scenario on a cluster of its own, and computes what came of it.
func perform(ctx context.Context, c *cluster, d *display, script func(*cluster) error) (*Result, error) {
	for _, sub := range []string{"storage", "audit", "log"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("prepare the demo's directory: %w", err)
		}
	}
	endShow := d.show(c)
	err := script(c)
	ended := clock()
	endShow() // before anything that takes time: whoever is impatient gets the terminal back as it was
	c.stop()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the demo was interrupted, and all its processes have ended: %w", context.Cause(ctx))
	}
	if err != nil {
		d.fail(c)
		return nil, err
	}
	ch, err := c.chronicle(ended)
	if err != nil {
		return nil, err
	}
	return ch.result(c.opts), nil
}

// writeJSON writes a result for programs.
func writeJSON(w io.Writer, result any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(result)
}
