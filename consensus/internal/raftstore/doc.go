// Package raftstore keeps what a Raft engine needs on any storage.Storage: the log, the votes, the identity of the
// node and, where there is no directory for them, the snapshots.
//
//	err := raftstore.Claim(ctx, s, "cluster", "node-1") // refuses the data of another node
//	store, err := raftstore.New(s)                      // raft.LogStore and raft.StableStore
//	snapshots, err := raftstore.Snapshots(s, 2, logger) // raft.SnapshotStore
//	err = store.Check(ctx, snapshots)                   // before the engine reads the log
//
// Whatever is read has been checked against a checksum. What is damaged is named by a [*CorruptError] and is neither
// skipped, nor removed, nor replaced by something older: that would be a silent loss.
//
// # Keys
//
// Every kind of data has a key space of its own, told by the first byte: 'c' chunks of snapshots, 'd' descriptions of
// snapshots, 'i' the identity, 'k' stable values (votes), 'l' the log, whose keys go on with the index in eight
// bytes, big end first, so that the order of the keys is the order of the log.
//
// # Crashes
//
// The log has no hole at any moment: it is written in its order, shortened at its head from the front and at its tail
// from the end. So whatever a crash leaves is a log, and a hole that is found later is damage.
package raftstore
