//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
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

// Several runs at a time, because they mostly wait for elections.
func TestASmallRunMeasuresEveryPart(t *testing.T) {
	tested := map[string]bool{}
	for parts, check := range map[string]func(t *testing.T, r result, page string){
		"commits":                        requireCommits,
		"overhead,reads":                 requireOverheadAndReads,
		"failover,handover,restore,idle": requireTheOthers,
	} {
		for _, part := range strings.Split(parts, ",") {
			tested[part] = true
		}
		t.Run(parts, func(t *testing.T) {
			t.Parallel()
			r, page := runSmall(t, parts)
			check(t, r, page)
		})
	}
	for _, part := range allParts() {
		require.True(t, tested[part], part)
	}
}

// runSmall measures parts, and returns the result and the page that it is written to.
func runSmall(t *testing.T, parts string) (r result, text string) {
	t.Helper()
	directory := t.TempDir()
	jsonFile, page := filepath.Join(directory, "result.json"), filepath.Join(directory, "page.md")
	require.NoError(t, os.WriteFile(page, []byte("before\n"+markBegin+"earlier figures\n"+markEnd+"after\n"), 0o600))
	require.NoError(t, start(t.Context(), []string{
		"-quick", "-parts", parts, "-stores", "memory,pebble", "-overhead-stores", "memory", "-clients", "2", "-failovers", "1", "-handovers", "1",
		"-snapshot-mib", "1", "-idle", "100ms", "-pairs", "1", "-etcd=false", "-dir", directory, "-json", jsonFile, "-markdown", page,
	}))
	encoded, err := os.ReadFile(jsonFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, &r))
	written, err := os.ReadFile(page)
	require.NoError(t, err)
	require.NotContains(t, string(written), "earlier figures")
	left, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Len(t, left, 2, "the data are removed")
	return r, string(written)
}

func requireCommits(t *testing.T, r result, _ string) {
	t.Helper()
	require.Len(t, r.Commits, 5, "two stores over two transports, and the bare engine")
	for _, row := range r.Commits {
		require.Positive(t, row.Rate, row.Target)
	}
}

func requireOverheadAndReads(t *testing.T, r result, page string) {
	t.Helper()
	require.Len(t, r.Overhead, 1)
	require.Positive(t, r.Overhead[0].Ratio)
	require.Len(t, r.Reads, 2)
	require.Contains(t, page, "### Overhead over the bare engine")
}

func requireTheOthers(t *testing.T, r result, _ string) {
	t.Helper()
	require.Len(t, r.Failover, 4)
	require.Len(t, r.Handover, 6)
	require.Len(t, r.Restore, 1)
	require.Greater(t, r.Restore[0].Member.RSSPeak, uint64(1<<20))
	require.Len(t, r.Idle, 4, "a leader and a follower on two stores")
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
