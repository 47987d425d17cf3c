//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

// sample is what one round measured.
type sample struct {
	Rate float64       `json:"rate"` // requests per second
	P50  time.Duration `json:"p50"`
	P99  time.Duration `json:"p99"`
	// CPU is the processor time that this process used per request, of all nodes and clients in it.
	CPU time.Duration `json:"cpu"`
}

func newSample(latencies []time.Duration, length time.Duration, processors float64) sample {
	slices.Sort(latencies)
	rate := float64(len(latencies)) / length.Seconds()
	return sample{
		Rate: rate,
		P50:  quantile(latencies, 0.50),
		P99:  quantile(latencies, 0.99),
		CPU:  time.Duration(processors / rate * float64(time.Second)),
	}
}

// quantile returns the least value that is not exceeded by the given share of sorted values.
func quantile[T any](sorted []T, share float64) T {
	at := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// median returns the middle value, or the mean of the two in the middle.
func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// medianOf takes the median of each figure of several rounds.
func medianOf(samples []sample) sample {
	var rates []float64
	var p50s, p99s, cpus []time.Duration
	for _, s := range samples {
		rates = append(rates, s.Rate)
		p50s = append(p50s, s.P50)
		p99s = append(p99s, s.P99)
		cpus = append(cpus, s.CPU)
	}
	return sample{Rate: median(rates), P50: median(p50s), P99: median(p99s), CPU: median(cpus)}
}

func isCancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
