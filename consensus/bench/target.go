//go:build linux

package main

import "context"

// target is a cluster under load, of whatever kind.
type target interface {
	// Write commits a command of a client, numbered from 0.
	Write(ctx context.Context, client int, data []byte) error
	// Read reads linearizably.
	Read(ctx context.Context, client int) error
	// Compact drops what rounds have left behind.
	Compact(ctx context.Context) error
	// Ready waits until there is a leader that commits.
	Ready(ctx context.Context) error
	// Close ends it and removes its data.
	Close() error
}

// nodesPerCluster is the size of every cluster measured here.
const nodesPerCluster = 3
