// Package compare tells what a change has done to the speed of what is called most: IsLeader, the record's encoding and
// decoding, and the simulation.
package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
)

// Options say what is compared.
type Options struct {
	Root  string // of the repository
	Base  string // a revision; the parent of Head if it is empty
	Head  string // a revision; HEAD if it is empty
	Count int    // runs of each benchmark on each revision
	Time  string // of one run, as -benchtime
	Seeds int    // of a run of the simulation
}

// Run runs the benchmarks of both revisions in turn, so that what the machine does besides is the same for both, and
// writes to out what benchstat says of them. What is going on is told to log. It works on checkouts in temporary directories, and removes them
// however it ends.
func Run(ctx context.Context, o Options, out, log io.Writer) (err error) {
	if o.Head == "" {
		o.Head = "HEAD"
	}
	if o.Base == "" {
		o.Base = o.Head + "^"
	}
	log = process.Locked(log)
	place, err := os.MkdirTemp("", "compare-*")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(place)) }()
	both := []*revision{
		{name: o.Base, place: filepath.Join(place, "base"), log: log},
		{name: o.Head, place: filepath.Join(place, "head"), log: log},
	}
	defer func() { err = errors.Join(err, both[0].remove(ctx, o.Root), both[1].remove(ctx, o.Root)) }()
	for _, r := range both {
		if err := r.resolve(ctx, o.Root); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
	}
	if both[0].commit == both[1].commit {
		return fmt.Errorf("%s and %s are the same commit", o.Base, o.Head)
	}
	changes, err := process.Output(ctx, o.Root, log, "git", "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if changes != "" {
		fmt.Fprintln(log, "what is not committed is not compared:\n"+changes)
	}
	// Before anything is measured, which takes long and would be lost without it.
	err = process.Run(ctx, o.Root, log, log, "go", "-C", "tools", "build", "-o", place+string(filepath.Separator), "golang.org/x/perf/cmd/benchstat")
	if err != nil {
		return fmt.Errorf("build benchstat: %w", err)
	}
	for _, r := range both {
		if err := r.prepare(ctx, o.Root); err != nil {
			return fmt.Errorf("prepare %s: %w", r.name, err)
		}
	}
	return o.compare(ctx, both, filepath.Join(place, "benchstat"), out, log)
}

func (o Options) compare(ctx context.Context, both []*revision, benchstat string, out, log io.Writer) error {
	for _, s := range suites(o) {
		for _, r := range both {
			if !r.has(s) {
				fmt.Fprintf(out, "%s has no %s: there is nothing to compare with.\n", r.name, s.title)
			}
		}
	}
	for n := range o.Count {
		fmt.Fprintf(log, "run %d of %d\n", n+1, o.Count)
		for _, s := range suites(o) {
			for _, r := range both {
				if err := r.run(ctx, s); err != nil {
					return fmt.Errorf("run %s of %s: %w", s.title, r.name, err)
				}
			}
		}
	}
	var arguments []string
	for _, r := range both {
		if err := r.write(); err != nil {
			return err
		}
		arguments = append(arguments, strings.ReplaceAll(r.name, "=", "-")+"="+r.results()) // label=file
	}
	return process.Run(ctx, o.Root, out, log, benchstat, arguments...)
}

// suite is benchmarks of one package.
type suite struct {
	title     string
	pkg       string // below the root
	list      string // matches their names
	arguments []string
}

func suites(o Options) []suite {
	return []suite{
		{"benchmark of IsLeader", ".", "^BenchmarkIsLeader$", []string{"-test.run=^$", "-test.bench=^BenchmarkIsLeader$", "-test.benchmem", "-test.cpu=1,2", "-test.benchtime=" + o.Time}},
		{"benchmark of the record", "internal/lease", "^Benchmark(En|De)codeRecord$", []string{"-test.run=^$", "-test.bench=^Benchmark(En|De)codeRecord$", "-test.benchmem", "-test.benchtime=" + o.Time}},
		{"measurement of the simulation's speed", "internal/sim", "^TestSpeedOfTheMixedSchedule$", []string{"-test.run=^TestSpeedOfTheMixedSchedule$", "-test.v", "-sim.speed=" + strconv.Itoa(o.Seeds)}},
	}
}
