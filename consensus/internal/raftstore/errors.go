package raftstore

import (
	"errors"
	"fmt"
)

var (
	errChecksum = errors.New("its checksum does not match")
	errMissing  = errors.New("it is missing, though entries before and behind it are there")
)

// CorruptError says that something on the storage is not what was written there. Nothing has been changed. A node
// with damaged data is brought back by removing it from the cluster and adding it with an empty storage.
type CorruptError struct {
	What  string // what is damaged, with its name: "log entry 17"
	Index uint64 // of the log entry, 0 for anything else
	Err   error  // what is wrong with it
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged: %v", e.What, e.Err)
}

// Unwrap returns what is wrong.
func (e *CorruptError) Unwrap() error { return e.Err }

func corruptEntry(index uint64, err error) error {
	return &CorruptError{What: fmt.Sprintf("log entry %d", index), Index: index, Err: err}
}

// ForeignError says that a storage belongs to another cluster or another node. Nothing has been changed.
type ForeignError struct {
	ClusterID, NodeID             string // whom it belongs to
	WantedClusterID, WantedNodeID string // who has asked
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the data belong to node %q of cluster %q, not to node %q of cluster %q: use another storage",
		e.NodeID, e.ClusterID, e.WantedNodeID, e.WantedClusterID)
}
