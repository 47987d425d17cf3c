package measure

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// published is how many runs a published figure has at least.
const published = 200

// sheet is a table that is filled concurrently.
type sheet struct {
	*result.Table
	mu sync.Mutex
}

func newSheet(t *testing.T, name string) *sheet {
	t.Helper()
	s := &sheet{Table: newTable(t, name)}
	s.Quick = *runs < published
	began := time.Now()
	t.Cleanup(func() {
		s.Took = time.Since(began)
		s.log(t)
		if *out != "" && !t.Failed() && !t.Skipped() {
			require.NoError(t, s.Write(*out))
		}
	})
	return s
}

func (s *sheet) add(c result.Cell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Cells = append(s.Cells, c)
}

func (s *sheet) log(t *testing.T) {
	t.Helper()
	for _, c := range s.Cells {
		t.Logf("%-24s %-32s %-36s %5d runs: min %10.4g  median %10.4g  p99 %10.4g  max %10.4g %s %s",
			c.Contender, c.Case, c.Metric, c.Runs, c.Min, c.Median, c.P99, c.Max, c.Unit, c.Note)
	}
}

// newTable returns a table without figures, with what can be known of this machine and build.
func newTable(t *testing.T, name string) *result.Table {
	t.Helper()
	return &result.Table{
		Name: name, Command: "make -C bench measure TABLES=" + name, Began: time.Now().UTC().Truncate(time.Second),
		Machine: result.Machine(), Go: runtime.Version(), Modules: versions(t),
	}
}

// versions are those of the contenders' modules. A program that go test has built does not know them itself.
func versions(t *testing.T) map[string]string {
	t.Helper()
	modules := []string{contender.EtcdModule}
	for _, c := range contender.All() {
		if !isOurs(c) && c.Module != "" && !slices.Contains(modules, c.Module) {
			modules = append(modules, c.Module)
		}
	}
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, modules...)...)
	var said strings.Builder
	list.Stderr = &said
	listed, err := list.Output()
	require.NoError(t, err, "a contender's Module has to be in bench/go.mod: %s", &said)
	found := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		path, version, ok := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, ok, "go list says no version: %q", line)
		found[path] = version
	}
	return found
}

// inSeconds are durations as the figures of a cell.
func inSeconds(durations []time.Duration) []float64 {
	out := make([]float64, len(durations))
	for i, d := range durations {
		out[i] = d.Seconds()
	}
	return out
}

func TestATableNamesTheVersionsOfWhatItMeasures(t *testing.T) {
	found := versions(t)
	for _, c := range contender.All() {
		if isOurs(c) {
			assert.NotContains(t, found, c.Module, "it is measured as it is checked out")
			continue
		}
		if c.Module != "" {
			assert.Regexp(t, `^v\d+\.`, found[c.Module], c.Name)
		}
	}
	assert.Regexp(t, `^v\d+\.`, found[contender.EtcdModule])
}
