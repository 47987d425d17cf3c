package result

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantilesAreValuesThatOccurred(t *testing.T) {
	upTo := func(n int) (values []float64) {
		for i := n; i > 0; i-- {
			values = append(values, float64(i))
		}
		return values
	}
	for _, c := range []struct {
		n                     int
		min, median, p99, max float64
	}{
		{1, 1, 1, 1, 1}, {2, 1, 1, 2, 2}, {3, 1, 2, 3, 3}, {4, 1, 2, 4, 4}, {99, 1, 50, 99, 99}, {100, 1, 50, 99, 100}, {101, 1, 51, 100, 101},
		{200, 1, 100, 198, 200}, {1000, 1, 500, 990, 1000},
	} {
		values := upTo(c.n)
		expected := Cell{Case: "a", Unit: "s", Runs: c.n, Min: c.min, Median: c.median, P99: c.p99, Max: c.max}
		assert.Equal(t, expected, Cell{Case: "a", Unit: "s"}.Summarize(values))
		assert.Equal(t, upTo(c.n), values, "not sorted in place")
	}
	assert.Equal(t, Cell{Note: "it cannot be done"}, Cell{Note: "it cannot be done"}.Summarize(nil))
}

func TestWhatCannotBeWrittenLeavesWhatWasThere(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "a.json")
	first := &Table{Name: "a", Cells: []Cell{Cell{Case: "x"}.Summarize([]float64{1})}}
	require.NoError(t, first.Write(path))
	require.Error(t, (&Table{Name: "a", Cells: []Cell{{Min: math.NaN()}}}).Write(path))
	kept, err := Read(path)
	require.NoError(t, err)
	assert.Equal(t, first, kept)

	require.NoError(t, os.Mkdir(filepath.Join(directory, "taken.json"), 0o755))
	require.ErrorContains(t, first.Write(filepath.Join(directory, "taken.json")), "write results: ")
	require.ErrorIs(t, first.Write(filepath.Join(directory, "nowhere", "a.json")), os.ErrNotExist)
	left, err := os.ReadDir(directory)
	require.NoError(t, err)
	assert.Len(t, left, 2, "nothing unfinished")
}

func TestWhatIsNoTableIsAnError(t *testing.T) {
	directory := t.TempDir()
	_, err := Read(filepath.Join(directory, "a.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, text := range []string{"", "{", `{"name":"a","cells":[{"runs":1`, `{"name":1}`, `[]`} {
		path := filepath.Join(directory, "a.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Read(path)
		assert.ErrorContains(t, err, "measure them again", "%q", text)
	}
}
