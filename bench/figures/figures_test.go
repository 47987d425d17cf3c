package figures

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// module returns the directory of a module with one test file.
func module(t *testing.T, code string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.com/m\n\ngo 1.25\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\n" + code,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	return root
}

const measuring = `
func TestTimes(t *testing.T) {
	t.Log("for people")
	t.Attr("other", "x")
	t.Attr("figure", ` + "`" + `{"case":"stop","metric":"time","unit":"s","values":[4]}` + "`" + `)
	t.Attr("figure", ` + "`" + `{"case":"crash","metric":"time","unit":"s","values":[3,1]}` + "`" + `)
	t.Run("sub", func(t *testing.T) {
		t.Attr("figure", ` + "`" + `{"case":"crash","metric":"time","unit":"s","values":[2]}` + "`" + `)
		t.Attr("figure", ` + "`" + `{"case":"crash","metric":"bound","unit":"s","note":"of all","values":[9]}` + "`" + `)
	})
}
`

func source(quick, full string) Source {
	return Source{
		Name: "times", Title: "Times",
		arguments: func(isQuick bool) []string { return []string{"-run", "^(" + pick(isQuick, quick, full) + ")$", "."} },
		cases:     []string{"crash", "stop"}, metrics: []string{"time", "bound"},
	}
}

func TestWhatTestsReportIsATableInItsOrder(t *testing.T) {
	var log bytes.Buffer
	table, err := source("", "TestTimes").Collect(t.Context(), module(t, measuring), false, &log)
	require.NoError(t, err)
	assert.Equal(t, []result.Cell{
		{Contender: "s3lect", Case: "crash", Metric: "time", Unit: "s", Runs: 3, Min: 1, Median: 2, P99: 3, Max: 3},
		{Contender: "s3lect", Case: "crash", Metric: "bound", Unit: "s", Runs: 1, Min: 9, Median: 9, P99: 9, Max: 9, Note: "of all"},
		{Contender: "s3lect", Case: "stop", Metric: "time", Unit: "s", Runs: 1, Min: 4, Median: 4, P99: 4, Max: 4},
	}, table.Cells)
	assert.Equal(t, "times", table.Name)
	assert.Equal(t, "go test -run '^(TestTimes)$' .", table.Command)
	assert.False(t, table.Quick)
	assert.True(t, strings.HasPrefix(table.Go, "go1."), table.Go)
	assert.Positive(t, table.Took)
	assert.Contains(t, log.String(), "for people")
}

func TestTableIsNotMadeOfWhatIsWrong(t *testing.T) {
	for code, message := range map[string]string{
		measuring + `func TestMore(t *testing.T) { t.Error("too slow") }`:                                                                        "exit status 1",
		`func TestTimes(t *testing.T) { t.Skip() }`:                                                                                              `"crash" was not measured`,
		`func TestTimes(t *testing.T) { t.Attr("figure", "x") }`:                                                                                 "read a figure of TestTimes",
		measuring + "func TestMore(t *testing.T) { t.Attr(`figure`, `{\"case\":\"a flood\",\"metric\":\"time\",\"values\":[1]}`) }":              `"time" of "a flood" is not expected`,
		measuring + "func TestMore(t *testing.T) { t.Attr(`figure`, `{\"case\":\"stop\",\"metric\":\"time\",\"unit\":\"ms\",\"values\":[1]}`) }": `"time" of "stop" has two units or notes: "s" "", "ms" ""`,
		`no Go at all`: "exit status 1",
	} {
		_, err := source("", "Test.*").Collect(t.Context(), module(t, code), false, io.Discard)
		assert.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, "measure times")
	}
}

func TestMeasurementsInSeveralProcessesAreOneTable(t *testing.T) {
	s := source("", "TestTimes")
	s.repeat = 2
	table, err := s.Collect(t.Context(), module(t, measuring), false, io.Discard)
	require.NoError(t, err)
	require.Len(t, table.Cells, 3)
	assert.Equal(t, 6, table.Cells[0].Runs)
	assert.Equal(t, "make -C bench measure TABLES=times", table.Command, "that which measures as often")
}

func TestTryingMayLeaveOutCases(t *testing.T) {
	code := "func TestOne(t *testing.T) { t.Attr(`figure`, `{\"case\":\"stop\",\"metric\":\"time\",\"values\":[1]}`) }"
	table, err := source("TestOne", "TestAll").Collect(t.Context(), module(t, code), true, io.Discard)
	require.NoError(t, err)
	assert.True(t, table.Quick)
	assert.Len(t, table.Cells, 1)
	assert.Equal(t, "go test -run '^(TestAll)$' .", table.Command, "that which is to be published")

	_, err = source("TestNone", "").Collect(t.Context(), module(t, code), true, io.Discard)
	require.ErrorContains(t, err, "nothing was measured")
}

func TestWhatBenchmarksReportIsSummarized(t *testing.T) {
	var all gathered
	err := readBenchmarks(strings.NewReader(`goos: linux
BenchmarkA       	 100	        50.0 ns/op	       0 B/op	       2 allocs/op
BenchmarkA-2     	 100	        25.0 ns/op	       0 B/op	       2 allocs/op
BenchmarkA       	 100	        60.0 ns/op	       0 B/op	       2 allocs/op
BenchmarkA-2     	 100	        20.0 ns/op	       0 B/op	       4 allocs/op
BenchmarkB/5-16  	 100	      1000 ns/op	     7.5 B/roster
BenchmarkC-2     	 100	         1 ns/op
PASS
`), map[benchmark]place{
		{"A", "sec/op", 1}:      {"a", "one core", "s"},
		{"A", "sec/op", 2}:      {"a", "two cores", "s"},
		{"A", "allocs/op", 0}:   {"a", "allocations", "1"},
		{"B/5", "B/roster", 0}:  {"b", "list", "B"},
		{"B/50", "B/roster", 0}: {"b", "list", "B"},
	}, &all)
	require.NoError(t, err)
	cells := all.cells()
	require.Len(t, cells, 4)
	assert.InDelta(t, 50e-9, cells[0].Min, 1e-12)
	assert.InDelta(t, 60e-9, cells[0].Max, 1e-12)
	assert.Equal(t, "allocations", cells[1].Metric)
	assert.Equal(t, 4, cells[1].Runs)
	assert.InDelta(t, 2.0, cells[1].Median, 0)
	assert.InDelta(t, 20e-9, cells[2].Median, 1e-12)
	assert.Equal(t, result.Cell{Contender: "s3lect", Case: "b", Metric: "list", Unit: "B", Runs: 1, Min: 7.5, Median: 7.5, P99: 7.5, Max: 7.5}, cells[3])
}

func TestABenchmarkThatReportsLessIsNotATable(t *testing.T) {
	s := Source{
		Name: "a", arguments: func(bool) []string { return []string{"-run", "^$", "-bench", ".", "-benchtime", "1x", "."} },
		names: map[benchmark]place{{"A", "sec/op", 0}: {"a", "time", "s"}, {"A", "allocs/op", 0}: {"a", "allocations", "1"}},
		cases: []string{"a"}, metrics: []string{"time", "allocations"},
	}
	_, err := s.Collect(t.Context(), module(t, "func BenchmarkA(*testing.B) {}"), true, io.Discard)
	require.ErrorContains(t, err, "no benchmark A has reported allocs/op")
	assert.NotContains(t, err.Error(), "sec/op")
}

func TestSourcesHaveNamesOfTheirOwnAndCommandsThatCanBeTyped(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Sources() {
		assert.False(t, names[s.Name], s.Name)
		names[s.Name] = true
		assert.NotEmpty(t, s.Title, s.Name)
		assert.Regexp(t, pick(s.repeat > 1, `^make -C bench measure TABLES=`+s.Name+`$`, `^go test -run '\^.*\$' `), s.Command())
		assert.NotEmpty(t, s.cases, s.Name)
		assert.NotEmpty(t, s.metrics, s.Name)
		for _, p := range s.names {
			assert.Contains(t, s.cases, p.caseName, s.Name)
			assert.Contains(t, s.metrics, p.metric, s.Name)
		}
	}
}

// The quickest of them, to hold that what tests report is what is expected here.
func TestFailoverIsMeasured(t *testing.T) {
	table, err := failover().Collect(t.Context(), "../..", true, io.Discard)
	require.NoError(t, err)
	assert.Len(t, table.Cells, 2*len(failover().cases))
	for _, c := range table.Cells {
		assert.Equal(t, pick(c.Metric == "bound", 1, 10), c.Runs, c.Case)
		bound, _ := table.Find(c.Contender, c.Case, "bound")
		assert.LessOrEqual(t, c.Max, bound.Median)
	}
}
