//go:build linux

package main

import (
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// childArgument makes the command a node in a process of its own, which is led by lines of JSON.
const childArgument = "-node"

// childConfig is the first line.
type childConfig struct {
	Peer     consensus.PeerConfig   `json:"peer"`
	Peers    []consensus.PeerConfig `json:"peers"` // none: it waits to be added
	Disk     *disk                  `json:"disk"`
	Election time.Duration          `json:"election"`
	// SnapshotMiB makes the state machine one whose snapshots are so large.
	SnapshotMiB int `json:"snapshotMiB"`
}

// question is every other line.
type question struct {
	Do string `json:"do"` // one of those below
	// Peer is who is to be added, or who is gone.
	Peer consensus.PeerConfig `json:"peer"`
}

// What a child can be asked.
const (
	askLeader   = "leader"    // does it lead, and are all members well?
	askTakeOver = "take over" // write as soon as possible
	askSnapshot = "snapshot"  // take one
	askAdd      = "add"       // add a node without a vote
	askRestored = "restored"  // wait until a snapshot has been restored
	askUsage    = "usage"     // what the process uses
	askStop     = "stop"      // stop and end
)

// answer is the line that comes back for each, the configuration included.
type answer struct {
	Error string `json:"error,omitempty"`
	Yes   bool   `json:"yes"`
	Usage usage  `json:"usage"`
}

// usage is what a process uses.
type usage struct {
	CPU        time.Duration `json:"cpu"`        // since its start, when it was asked
	CPUAfter   time.Duration `json:"cpuAfter"`   // and when it answered: looking costs something itself
	Goroutines int           `json:"goroutines"` // of the whole process
	Heap       uint64        `json:"heap"`       // bytes in live objects, after a collection
	HeapPeak   uint64        `json:"heapPeak"`   // largest bytes in objects seen, dead ones included
	RSS        uint64        `json:"rss"`        // bytes of memory in use
	RSSPeak    uint64        `json:"rssPeak"`    // largest ever
	Messages   uint64        `json:"messages"`   // sent to other nodes
	Leader     bool          `json:"leader"`
}
