package s3lect

import (
	"slices"
	"time"
)

// summarizeLatencies takes the nearest rank for a percentile: a value that was measured.
func summarizeLatencies(samples []time.Duration) LatencySummary {
	if len(samples) == 0 {
		return LatencySummary{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := func(percent int) time.Duration {
		return sorted[(percent*len(sorted)+99)/100-1]
	}
	return LatencySummary{Count: len(sorted), P50: rank(50), P99: rank(99)}
}
