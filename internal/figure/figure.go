// Package figure is how tests tell programs what they have measured, beside what they log for people: as attributes, which
// `go test -json` passes on. Documents with figures are made from them, in bench/.
package figure

import (
	"encoding/json"
	"fmt"
	"time"
)

// Key is that of the attributes.
const Key = "figure"

// BoundMetric is the metric of figures that say what the others of their case must not exceed.
const BoundMetric = "bound"

// atOnce is the number of values in an attribute at most. Attributes are lines, and readers of lines have buffers.
const atOnce = 100

// Figure is values of one metric in one case. Several figures of the same metric and case are one with all their values.
type Figure struct {
	Case   string    `json:"case"`
	Metric string    `json:"metric"`
	Unit   string    `json:"unit"` // "s", "ns", "B", "1"
	Note   string    `json:"note,omitempty"`
	Values []float64 `json:"values"`
}

// Test is what reports: a *testing.T.
type Test interface{ Attr(key, value string) }

// Report reports values that were measured.
func Report(t Test, caseName, metric, unit string, values ...float64) {
	Figure{Case: caseName, Metric: metric, Unit: unit, Values: values}.report(t)
}

// Times reports times that were measured, in seconds.
func Times(t Test, caseName, metric string, times ...time.Duration) {
	Report(t, caseName, metric, "s", seconds(times)...)
}

// Bound reports what the times of a case must not exceed. The note says what to know about it, if anything.
func Bound(t Test, caseName string, bound time.Duration, note string) {
	Figure{Case: caseName, Metric: BoundMetric, Unit: "s", Note: note, Values: []float64{bound.Seconds()}}.report(t)
}

func seconds(times []time.Duration) []float64 {
	values := make([]float64, len(times))
	for i, d := range times {
		values[i] = d.Seconds()
	}
	return values
}

func (f Figure) report(t Test) {
	for rest := f.Values; len(rest) > 0; {
		n := min(len(rest), atOnce)
		f.Values, rest = rest[:n], rest[n:]
		data, err := json.Marshal(f)
		if err != nil { // not a number
			panic(fmt.Sprintf("report a figure: %v", err))
		}
		t.Attr(Key, string(data))
	}
}
