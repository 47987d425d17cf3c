// Package figures makes tables of what the tests and benchmarks of this repository measure.
package figures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// Contender is the name of the one whose figures these are.
const Contender = "s3lect"

// Source is a test or a benchmark that measures figures, and the table that is made of them.
type Source struct {
	Name  string // of the table
	Title string
	// arguments are those of go test, to measure or to try whether it works.
	arguments func(quick bool) []string
	repeat    int // in so many processes, one after the other; 0 is 1
	// names maps what a benchmark reports to a case and a metric; nil for tests, which say so themselves.
	names map[benchmark]place
	// cases and metrics are all there are, in the order of the table. Those that take long may be missing if they are
	// but tried.
	cases, metrics []string
	programs       []program // whose versions matter
}

// Command is what measures the figures, to be typed in the root of the repository.
func (s Source) Command() string {
	if s.repeat > 1 { // go test alone would be one of them
		return "make -C bench measure TABLES=" + s.Name
	}
	words := []string{"go", "test"}
	for _, word := range s.arguments(false) {
		if strings.ContainsAny(word, " $^*()|&'") {
			word = "'" + word + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// Collect measures the figures in the repository at root, or tries it if it is to be quick. What the tests say goes to log.
func (s Source) Collect(ctx context.Context, root string, quick bool, log io.Writer) (*result.Table, error) {
	t := &result.Table{
		Name: s.Name, Title: s.Title, Command: s.Command(), Began: time.Now().UTC().Truncate(time.Second), Quick: quick,
		Machine: result.Machine(), Modules: map[string]string{},
	}
	began, log := time.Now(), process.Locked(log)
	version, err := process.Output(ctx, root, log, "go", "env", "GOVERSION")
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", s.Name, err)
	}
	t.Go = version
	for _, p := range s.programs {
		version, err := p.version(ctx, root, log)
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("measure %s: %w: %s", s.Name, process.ErrNotInstalled, p.name)
		}
		if err != nil {
			return nil, fmt.Errorf("measure %s: find the version of %s: %w", s.Name, p.name, err)
		}
		t.Modules[p.name] = version
	}
	all := &gathered{}
	for range max(1, pick(quick, 1, s.repeat)) {
		if err := s.run(ctx, root, log, quick, all); err != nil {
			return nil, fmt.Errorf("measure %s: %w", s.Name, err)
		}
	}
	if t.Cells, err = s.arrange(all.cells(), quick); err != nil {
		return nil, fmt.Errorf("measure %s: %w", s.Name, err)
	}
	t.Took = time.Since(began)
	return t, nil
}

func (s Source) run(ctx context.Context, root string, log io.Writer, quick bool, all *gathered) error {
	if s.names == nil {
		return runTests(ctx, root, log, s.arguments(quick), all)
	}
	return runBenchmarks(ctx, root, log, s.arguments(quick), s.names, all)
}

// arrange puts the cells into their order, and finds out whether all are there, and no others.
func (s Source) arrange(cells []result.Cell, quick bool) ([]result.Cell, error) {
	var faults []error
	for _, c := range cells {
		if !slices.Contains(s.cases, c.Case) || !slices.Contains(s.metrics, c.Metric) {
			faults = append(faults, fmt.Errorf("%q of %q is not expected", c.Metric, c.Case))
		}
	}
	for benchmark, at := range s.names {
		if !slices.ContainsFunc(cells, func(c result.Cell) bool { return c.Case == at.caseName && c.Metric == at.metric }) {
			faults = append(faults, fmt.Errorf("no benchmark %s has reported %s", benchmark.name, benchmark.unit))
		}
	}
	for _, caseName := range s.cases {
		if !quick && !slices.ContainsFunc(cells, func(c result.Cell) bool { return c.Case == caseName }) {
			faults = append(faults, fmt.Errorf("%q was not measured", caseName))
		}
	}
	if len(cells) == 0 {
		faults = append(faults, errors.New("nothing was measured"))
	}
	position := func(c result.Cell) int {
		return slices.Index(s.cases, c.Case)*len(s.metrics) + slices.Index(s.metrics, c.Metric)
	}
	slices.SortStableFunc(cells, func(a, b result.Cell) int { return position(a) - position(b) })
	for i := 1; i < len(cells); i++ {
		if a, b := cells[i-1], cells[i]; a.Case == b.Case && a.Metric == b.Metric { // only the first would be found
			faults = append(faults, fmt.Errorf("%q of %q has two units or notes: %q %q, %q %q", b.Metric, b.Case, a.Unit, a.Note, b.Unit, b.Note))
		}
	}
	return cells, errors.Join(faults...)
}

// values are those of one cell, as they come in.
type values struct {
	cell result.Cell
	all  []float64
}

// gathered are the cells to be.
type gathered []*values

// add adds values to their cell.
func (g *gathered) add(cell result.Cell, more ...float64) {
	cell.Contender = Contender
	for _, v := range *g {
		if v.cell == cell {
			v.all = append(v.all, more...)
			return
		}
	}
	*g = append(*g, &values{cell, more})
}

func (g gathered) cells() (all []result.Cell) {
	for _, v := range g {
		all = append(all, v.cell.Summarize(v.all))
	}
	return all
}

// program is something whose version matters for the figures.
type program struct {
	name    string
	version func(ctx context.Context, root string, log io.Writer) (string, error)
}

var (
	versitygw = program{"versitygw", func(ctx context.Context, root string, log io.Writer) (string, error) {
		return process.Output(ctx, root, log, "go", "-C", "tools", "list", "-m", "-f", "{{.Version}}", "github.com/versity/versitygw")
	}}
	redis = program{"redis-server", func(ctx context.Context, root string, log io.Writer) (string, error) {
		said, err := process.Output(ctx, root, log, "redis-server", "--version")
		for field := range strings.FieldsSeq(said) {
			if version, found := strings.CutPrefix(field, "v="); found {
				return version, err
			}
		}
		return said, err
	}}
)
