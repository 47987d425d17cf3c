package raftstore

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Lister is the part of a raft.SnapshotStore that Check needs.
type Lister interface {
	List() ([]*raft.SnapshotMeta, error)
}

// Check reads the whole log and returns a [*CorruptError] for the first entry that is damaged. It also returns one if
// the log does not go on where the newest of the snapshots ends. The engine panics where it cannot read an entry: check
// before it is started. It takes as long as reading the log once.
func (s *Store) Check(ctx context.Context, snapshots Lister) error {
	metas, err := snapshots.List()
	if err != nil {
		return err
	}
	var covered uint64
	if len(metas) > 0 {
		covered = metas[0].Index
	}
	first, last := s.first.Load(), s.last.Load()
	if last == 0 {
		return nil
	}
	if first > covered+1 {
		return corruptEntry(covered+1, fmt.Errorf("it is missing: the log begins with entry %d and the newest snapshot ends with entry %d", first, covered))
	}
	var entry raft.Log
	var term uint64
	for index := first; index <= last; index++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("check log: %w", err)
		}
		if err := s.GetLog(index, &entry); err != nil {
			return fmt.Errorf("check log: %w", err)
		}
		if entry.Type > raft.LogConfiguration {
			return corruptEntry(index, fmt.Errorf("it has the type %d, which is not known", entry.Type))
		}
		if entry.Term < term {
			return corruptEntry(index, fmt.Errorf("its term %d is lower than its predecessor's, %d", entry.Term, term))
		}
		term = entry.Term
	}
	return nil
}
