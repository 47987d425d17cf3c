package sim

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var historyFile = flag.String("sim.history", "", "check this history again, which a failing run has written")

// TestHistoryOfFile checks a history that a failing run has left. Its picture is written beside it.
func TestHistoryOfFile(t *testing.T) {
	if *historyFile == "" {
		t.Skip("no -sim.history")
	}
	operations, err := Load(*historyFile)
	require.NoError(t, err)
	result, info := Check(operations)
	require.NoError(t, Draw(*historyFile+".html", info))
	require.EqualValues(t, "Ok", result, "of %d operations; see %s.html", len(operations), *historyFile)
}

func ptr(s string) *string { return &s }

// one returns an operation at given places in the order of calls and returns.
func one(kind, value string, call, end int64, change func(o *Operation)) *Operation {
	o := &Operation{Kind: kind, Key: "a", Value: value, Call: call, Return: end, Outcome: Done}
	if change != nil {
		change(o)
	}
	return o
}

func saw(value string) func(o *Operation) {
	return func(o *Operation) { o.Found, o.Saw = true, value }
}

func swaps(old *string, swapped bool, found string) func(o *Operation) {
	return func(o *Operation) { o.Old, o.Swapped, o.Found, o.Saw = old, swapped, found != "", found }
}

func outcome(of Outcome) func(o *Operation) { return func(o *Operation) { o.Outcome = of } }

// TestCheckerKnowsWhatCanBe gives the checker small histories.
func TestCheckerKnowsWhatCanBe(t *testing.T) {
	for _, c := range []struct {
		name string
		fine bool
		of   []*Operation
	}{
		{"what was written is read", true, []*Operation{one("set", "1", 1, 2, nil), one("read", "", 3, 4, saw("1"))}},
		{"what was written is not read", false, []*Operation{one("set", "1", 1, 2, nil), one("read", "", 3, 4, nil)}},
		{"an old value is read", false, []*Operation{one("set", "1", 1, 2, nil), one("set", "2", 3, 4, nil), one("read", "", 5, 6, saw("1"))}},
		{"a read beside a write sees the old value", true, []*Operation{one("set", "1", 1, 2, nil), one("set", "2", 3, 6, nil), one("read", "", 4, 5, saw("1"))}},
		{"two reads see time run backwards", false, []*Operation{
			one("set", "1", 1, 2, nil), one("set", "2", 3, 10, nil), one("read", "", 4, 5, saw("2")), one("read", "", 6, 7, saw("1")),
		}},
		{"what is unknown is seen later", true, []*Operation{one("set", "1", 1, 2, outcome(Unknown)), one("read", "", 3, 4, nil), one("read", "", 5, 6, saw("1"))}},
		{"what is unknown is never seen", true, []*Operation{one("set", "1", 1, 2, outcome(Unknown)), one("read", "", 3, 4, nil)}},
		{"what is unknown comes and goes", false, []*Operation{
			one("set", "1", 1, 2, outcome(Unknown)), one("read", "", 3, 4, saw("1")), one("read", "", 5, 6, nil),
		}},
		{"what has failed is seen", false, []*Operation{one("set", "1", 1, 2, outcome(Failed)), one("read", "", 3, 4, saw("1"))}},
		{"a swap from nothing", true, []*Operation{one("cas", "1", 1, 2, swaps(nil, true, "1")), one("read", "", 3, 4, saw("1"))}},
		{"a swap from another value", false, []*Operation{one("set", "2", 1, 2, nil), one("cas", "3", 3, 4, swaps(ptr("1"), true, "3"))}},
		{"a swap that should have been", false, []*Operation{one("set", "1", 1, 2, nil), one("cas", "2", 3, 4, swaps(ptr("1"), false, "1"))}},
		{"a swap that finds another value", true, []*Operation{one("set", "2", 1, 2, nil), one("cas", "3", 3, 4, swaps(ptr("1"), false, "2"))}},
		{"two swaps from one value", false, []*Operation{
			one("set", "1", 1, 2, nil), one("cas", "2", 3, 6, swaps(ptr("1"), true, "2")), one("cas", "3", 4, 5, swaps(ptr("1"), true, "3")),
		}},
		{"what is deleted is gone", true, []*Operation{one("set", "1", 1, 2, nil), one("delete", "", 3, 4, saw("1")), one("read", "", 5, 6, nil)}},
		{"what is deleted is read", false, []*Operation{one("set", "1", 1, 2, nil), one("delete", "", 3, 4, saw("1")), one("read", "", 5, 6, saw("1"))}},
		{"another key is another matter", true, []*Operation{one("set", "1", 1, 2, nil), one("read", "", 3, 4, func(o *Operation) { o.Key = "b" })}},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, _ := Check(c.of)
			assert.Equal(t, c.fine, result == "Ok", "%v", result)
		})
	}
}

// TestHistoryComesBackFromItsFile is what a later check depends on.
func TestHistoryComesBackFromItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.json")
	operations := []*Operation{one("set", "1", 1, 2, nil), one("cas", "2", 3, 4, swaps(ptr("1"), true, "2")), one("set", "3", 5, 6, outcome(Unknown))}
	require.NoError(t, Write(file, operations))
	back, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, operations, back)
}
