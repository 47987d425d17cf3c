package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
)

// revision is a checkout of one revision, with the programs that were built of its tests.
type revision struct {
	name, commit string
	place        string // of the checkout
	log          io.Writer
	programs     map[string]string // by their suites' packages; those that have the suite
	said         bytes.Buffer
}

// resolve finds the revision's commit.
func (r *revision) resolve(ctx context.Context, root string) (err error) {
	r.commit, err = process.Output(ctx, root, r.log, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", r.name+"^{commit}")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 { // other failures have other codes
		return fmt.Errorf("there is no revision %q here: name a commit, a branch or a tag; a shallow clone has only its last commit", r.name)
	}
	return err
}

// prepare checks the revision out and builds its benchmarks.
func (r *revision) prepare(ctx context.Context, root string) error {
	if err := process.Run(ctx, root, r.log, r.log, "git", "worktree", "add", "--quiet", "--detach", r.place, r.commit); err != nil {
		return err
	}
	r.programs = map[string]string{}
	for _, s := range suites(Options{}) {
		if err := r.build(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// build builds the tests of a suite's package, if there are such.
func (r *revision) build(ctx context.Context, s suite) error {
	directory := filepath.Join(r.place, s.pkg)
	if tests, err := filepath.Glob(filepath.Join(directory, "*_test.go")); err != nil || len(tests) == 0 {
		return err
	}
	program := fmt.Sprintf("%s-%s.test", r.place, strings.ReplaceAll(s.pkg, "/", "-"))
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if err := process.Run(ctx, directory, r.log, r.log, "go", "test", "-c", "-o", program, "."); err != nil {
		return err
	}
	names, err := process.Output(ctx, directory, r.log, program, "-test.list="+s.list)
	if err != nil {
		return err
	}
	if names != "" {
		r.programs[s.pkg] = program
	}
	return nil
}

func (r *revision) has(s suite) bool { return r.programs[s.pkg] != "" }

// run runs the benchmarks of a suite once, if there are such.
func (r *revision) run(ctx context.Context, s suite) error {
	if !r.has(s) {
		return nil
	}
	return process.Run(ctx, filepath.Join(r.place, s.pkg), &r.said, r.log, r.programs[s.pkg], s.arguments...)
}

// results is the file that benchstat reads.
func (r *revision) results() string { return r.place + ".txt" }

func (r *revision) write() error {
	if err := os.WriteFile(r.results(), r.said.Bytes(), 0o600); err != nil {
		return fmt.Errorf("keep the results of %s: %w", r.name, err)
	}
	return nil
}

// remove removes the checkout, also after an interruption.
func (r *revision) remove(ctx context.Context, root string) error {
	if _, err := os.Stat(r.place); os.IsNotExist(err) {
		return nil
	}
	return process.Run(context.WithoutCancel(ctx), root, r.log, r.log, "git", "worktree", "remove", "--force", r.place)
}
