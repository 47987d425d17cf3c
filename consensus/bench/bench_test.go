package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test's program be the nodes that have processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArgument {
		if err := runChild(context.Background(), bufio.NewReader(os.Stdin), os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestASmallRunMeasuresEveryPart(t *testing.T) {
	directory := t.TempDir()
	jsonFile, page := filepath.Join(directory, "result.json"), filepath.Join(directory, "page.md")
	require.NoError(t, os.WriteFile(page, []byte("before\n"+markBegin+"earlier figures\n"+markEnd+"after\n"), 0o600))
	require.NoError(t, start(t.Context(), []string{
		"-quick", "-stores", "memory,pebble", "-overhead-stores", "memory", "-clients", "2", "-failovers", "1", "-handovers", "1",
		"-snapshot-mib", "1", "-idle", "100ms", "-pairs", "1", "-etcd=false", "-dir", directory, "-json", jsonFile, "-markdown", page,
	}))

	var r result
	encoded, err := os.ReadFile(jsonFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, &r))
	require.Len(t, r.Commits, 5, "two stores over two transports, and the bare engine")
	for _, row := range r.Commits {
		require.Positive(t, row.Rate, row.Target)
	}
	require.Len(t, r.Overhead, 1)
	require.Positive(t, r.Overhead[0].Ratio)
	require.Len(t, r.Reads, 2)
	require.Len(t, r.Failover, 4)
	require.Len(t, r.Handover, 6)
	require.Len(t, r.Restore, 1)
	require.Greater(t, r.Restore[0].Member.RSSPeak, uint64(1<<20))
	require.Len(t, r.Idle, 4, "a leader and a follower on two stores")

	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(text), "### Overhead over the bare engine")
	require.NotContains(t, string(text), "earlier figures")
	left, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Len(t, left, 2, "the data are removed")
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	for _, arguments := range [][]string{
		{"-stores", "floppy"}, {"-parts", "everything"}, {"-clients", "0"}, {"-rounds", "0"}, {"-length", "1ms"}, {"more"},
	} {
		_, err := parseOptions(arguments, io.Discard)
		require.Error(t, err, arguments)
	}
}

func TestFlagsGoBeforeQuick(t *testing.T) {
	o, err := parseOptions([]string{"-quick", "-rounds", "7"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 7, o.rounds)
	require.Equal(t, 200*time.Millisecond, o.length)
}

func TestQuantilesAndMedians(t *testing.T) {
	values := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	require.Equal(t, 5, quantile(values, 0.5))
	require.Equal(t, 10, quantile(values, 0.99))
	require.Equal(t, 1, quantile(values[:1], 0.99))
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	require.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
}

func TestNumbersAreWrittenWithThreeDigits(t *testing.T) {
	require.Equal(t, "1.23 ms", short(1234*time.Microsecond))
	require.Equal(t, "12.3 µs", short(12345*time.Nanosecond))
	require.Equal(t, "123 s", short(123*time.Second))
	require.Equal(t, "1,234,567", thousands(1234567))
	require.Equal(t, "123", thousands(123))
}
