//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

// overheadRow compares a cluster of ours with the bare engine on the same store and transport. Ratios are ours to the
// bare engine's, and medians over pairs of rounds.
type overheadRow struct {
	Store   string `json:"store"`
	Clients int    `json:"clients"`
	Ours    sample `json:"ours"`
	Bare    sample `json:"bare"`
	// Ratio is that of the rates. RatioLow and RatioHigh are the quartiles.
	Ratio     float64 `json:"ratio"`
	RatioLow  float64 `json:"ratioLow"`
	RatioHigh float64 `json:"ratioHigh"`
	// CPURatio is that of the processor time per command.
	CPURatio float64 `json:"cpuRatio"`
}

// overhead measures ours and the bare engine in pairs of short rounds, with the order alternating.
func (b *bench) overhead(ctx context.Context) error {
	for _, store := range b.options.overheadStores {
		if err := b.overheadOf(ctx, store); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) overheadOf(ctx context.Context, store string) (err error) {
	ours, err := startCluster(ctx, b.place, clusterConfig{store: store, transport: newTransport("tcp"), election: loadElection})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	bare, err := startBare(ctx, b.place, store, newTransport("tcp"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	for _, clients := range b.options.clients {
		row, err := b.pairs(ctx, ours, bare, clients)
		if err != nil {
			return err
		}
		row.Store, row.Clients = store, clients
		b.result.Overhead = append(b.result.Overhead, row)
		progress("overhead on %s with %d clients: rate %.3f (%.3f to %.3f), processor time %.3f", store, clients, row.Ratio, row.RatioLow, row.RatioHigh, row.CPURatio)
	}
	return nil
}

func (b *bench) pairs(ctx context.Context, ours, bare target, clients int) (overheadRow, error) {
	targets := []target{ours, bare}
	samples := make([][]sample, len(targets))
	var ratios, cpuRatios []float64
	// The first pair warms up.
	for pair := range b.options.pairs + 1 {
		var s [2]sample
		for _, i := range shuffledBy(pair, len(targets)) {
			var err error
			if s[i], err = round(ctx, targets[i], clients, b.options.pairLength, writes(targets[i], b.options.commandSize)); err != nil {
				return overheadRow{}, err
			}
		}
		for _, t := range targets {
			if err := t.Compact(ctx); err != nil {
				return overheadRow{}, err
			}
		}
		if pair == 0 {
			continue
		}
		samples[0], samples[1] = append(samples[0], s[0]), append(samples[1], s[1])
		ratios = append(ratios, s[0].Rate/s[1].Rate)
		cpuRatios = append(cpuRatios, float64(s[0].CPU)/float64(max(s[1].CPU, time.Nanosecond)))
	}
	slices.Sort(ratios)
	return overheadRow{
		Ours: medianOf(samples[0]), Bare: medianOf(samples[1]),
		Ratio: median(ratios), RatioLow: quantile(ratios, 0.25), RatioHigh: quantile(ratios, 0.75),
		CPURatio: median(cpuRatios),
	}, nil
}
