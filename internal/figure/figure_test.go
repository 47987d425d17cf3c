package figure

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type recorder []string

func (r *recorder) Attr(key, value string) { *r = append(*r, key+" "+value) }

func TestFiguresAreLinesThatProgramsCanRead(t *testing.T) {
	var r recorder
	Times(&r, "crash", "time", 1500*time.Millisecond, 2*time.Second)
	Bound(&r, "crash", 20*time.Second, "of the p99")
	assert.Equal(t, recorder{
		`figure {"case":"crash","metric":"time","unit":"s","values":[1.5,2]}`,
		`figure {"case":"crash","metric":"bound","unit":"s","note":"of the p99","values":[20]}`,
	}, r)
}

func TestManyValuesAreSeveralShortLines(t *testing.T) {
	var r recorder
	values := make([]float64, 1001)
	for i := range values {
		values[i] = 1 / float64(i+3)
	}
	Report(&r, "a case", "a metric", "1", values...)
	var all []float64
	for _, line := range r {
		assert.Less(t, len(line), 4096, "the buffer of test2json")
		var f Figure
		require.NoError(t, json.Unmarshal([]byte(line[len(Key)+1:]), &f))
		all = append(all, f.Values...)
	}
	assert.Equal(t, values, all)
}
