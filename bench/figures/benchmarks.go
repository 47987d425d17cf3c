package figures

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// benchmark is one thing that a benchmark reports.
type benchmark struct {
	name string // without "Benchmark" and the number of processors
	unit string // as package benchfmt tidies it: "sec/op", "B/op", "allocs/op"
	// processors is the number of processors that it uses, or 0 where any number is meant.
	processors int
}

// place is where it stands in the table.
type place struct{ caseName, metric, unit string }

// runBenchmarks runs benchmarks and adds what they report under the names that are known.
func runBenchmarks(ctx context.Context, root string, log io.Writer, arguments []string, names map[benchmark]place, to *gathered) error {
	var out bytes.Buffer
	if err := process.Run(ctx, root, io.MultiWriter(&out, log), log, "go", append([]string{"test"}, arguments...)...); err != nil {
		return err
	}
	return readBenchmarks(&out, names, to)
}

func readBenchmarks(out io.Reader, names map[benchmark]place, to *gathered) error {
	reader := benchfmt.NewReader(out, "go test")
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return fmt.Errorf("read the output of a benchmark: %w", record)
		case *benchfmt.Result:
			name, used := splitProcessors(record.Name.String())
			for _, value := range record.Values {
				at, known := names[benchmark{name, value.Unit, used}]
				if !known {
					at, known = names[benchmark{name, value.Unit, 0}]
				}
				if known {
					to.add(result.Cell{Case: at.caseName, Metric: at.metric, Unit: at.unit}, value.Value)
				}
			}
		}
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("read the output of a benchmark: %w", err)
	}
	return nil
}

// splitProcessors cuts off the number of processors, which package testing writes only if there are several.
func splitProcessors(name string) (rest string, processors int) {
	at := strings.LastIndexByte(name, '-')
	if n, err := strconv.Atoi(name[at+1:]); at >= 0 && err == nil {
		return name[:at], n
	}
	return name, 1
}
