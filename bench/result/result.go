// Package result is what a measurement has found, as a file that can be kept, compared and drawn.
package result

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// Table is what one command has measured.
type Table struct {
	Name    string            `json:"name"`    // of the table and its command: "gaps"
	Title   string            `json:"title"`   // for people
	Command string            `json:"command"` // that measures it again
	Began   time.Time         `json:"began"`
	Took    time.Duration     `json:"took"`            // in nanoseconds
	Quick   bool              `json:"quick,omitempty"` // too few runs to be published
	Machine string            `json:"machine"`
	Go      string            `json:"go"`
	Modules map[string]string `json:"modules"` // versions of what was measured, by module or program
	Cells   []Cell            `json:"cells"`
}

// Cell is one figure of one contender: how it is distributed over the runs.
type Cell struct {
	Contender string  `json:"contender"`
	Case      string  `json:"case"`        // "crash", "20 followers"
	Metric    string  `json:"metric"`      // "time without a leader"
	Unit      string  `json:"unit"`        // "s", "ns", "B", "$", "1"
	X         float64 `json:"x,omitempty"` // where the case is a number: lease in seconds, followers
	Runs      int     `json:"runs"`
	Min       float64 `json:"min"`
	Median    float64 `json:"median"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
	Note      string  `json:"note,omitempty"` // why there is no figure, or what to know about it
}

// Summarize fills in how values are distributed. Quantiles are values that occurred: the smallest that
// at least that part of all does not exceed.
func (c Cell) Summarize(values []float64) Cell {
	c.Runs = len(values)
	if c.Runs == 0 {
		return c
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 { return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)] }
	c.Min, c.Median, c.P99, c.Max = sorted[0], at(0.5), at(0.99), sorted[len(sorted)-1]
	return c
}

// Find returns the cell of a contender, a case and a metric.
func (t *Table) Find(contender, caseName, metric string) (Cell, bool) {
	for _, c := range t.Cells {
		if c.Contender == contender && c.Case == caseName && c.Metric == metric {
			return c, true
		}
	}
	return Cell{}, false
}

// Read reads a table that Write has written.
func Read(path string) (*Table, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	t := &Table{}
	if err := json.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("read results from %s: %w; measure them again", path, err)
	}
	return t, nil
}

// Write writes the table to a file. What was there before is replaced by all of it, or stays: half a table would make every
// document fail, and measuring again takes long.
func (t *Table) Write(path string) error {
	data, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	unfinished := path + ".new"
	err = os.WriteFile(unfinished, append(data, '\n'), 0o644)
	if err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		_ = os.Remove(unfinished) // it may not have been made at all
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
