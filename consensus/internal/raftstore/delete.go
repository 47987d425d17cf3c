package raftstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// deleteSize is how many entries are deleted in one step, which others that want to append may have to wait for.
const deleteSize = 1024

// DeleteRange removes the entries from lowest to highest, both included. They must be the head of the log, its tail, or
// all of it: anything else would leave a hole. What is not there is no error.
func (s *Store) DeleteRange(lowest, highest uint64) error {
	s.changing.take()
	defer s.changing.give()

	ctx := context.Background()
	if err := s.settle(ctx); err != nil {
		return fmt.Errorf("delete log entries %d to %d: %w", lowest, highest, err)
	}
	first, last := s.first.Load(), s.last.Load()
	if last == 0 || highest < first || last < lowest || highest < lowest {
		return nil
	}
	var err error
	switch {
	case lowest <= first && last <= highest:
		err = s.deleteAll(ctx)
	case lowest <= first:
		err = s.deleteHead(ctx, highest)
	case last <= highest:
		err = s.deleteTail(ctx, lowest)
	default:
		return fmt.Errorf("delete log entries %d to %d: that would leave a hole in %d to %d", lowest, highest, first, last)
	}
	if err != nil {
		return fmt.Errorf("delete log entries %d to %d: %w", lowest, highest, err)
	}
	return nil
}

// deleteHead removes the entries up to highest, which is not the last one. They are gone to readers at once, and are
// deleted step by step from the front. Others may append between two steps.
func (s *Store) deleteHead(ctx context.Context, highest uint64) error {
	s.first.Store(highest + 1)
	for s.stored <= highest {
		if err := s.deleteFront(ctx, highest); err != nil {
			return err
		}
		s.changing.give()
		s.changing.take()
	}
	return nil
}

// deleteAll leaves the log empty.
func (s *Store) deleteAll(ctx context.Context) error {
	last := s.last.Load()
	s.last.Store(0)
	s.first.Store(0)
	for s.stored <= last {
		if err := s.deleteFront(ctx, last); err != nil {
			return err
		}
	}
	return nil
}

// deleteTail removes the entries from lowest on, which is not the first one, beginning with the last one.
func (s *Store) deleteTail(ctx context.Context, lowest uint64) error {
	last := s.last.Load()
	s.last.Store(lowest - 1)
	for last >= lowest {
		from := max(lowest, last-min(last, deleteSize)+1)
		operations := deletions(from, last)
		slices.Reverse(operations)
		if err := s.change(ctx, operations); err != nil {
			return err
		}
		last = from - 1
	}
	return nil
}

// deleteFront removes some entries up to highest from the front of what is stored.
func (s *Store) deleteFront(ctx context.Context, highest uint64) error {
	to := min(highest, s.stored+deleteSize-1)
	if err := s.change(ctx, deletions(s.stored, to)); err != nil {
		return err
	}
	s.stored = to + 1
	return nil
}

func deletions(from, to uint64) []storage.Operation {
	keys := make([]byte, 0, (to-from+1)*logKeySize)
	operations := make([]storage.Operation, 0, to-from+1)
	for index := from; index <= to; index++ {
		keys = appendLogKey(keys, index)
		operations = append(operations, storage.Operation{Key: keys[len(keys)-logKeySize:], Delete: true})
	}
	return operations
}

// change does a step of a change of the log.
func (s *Store) change(ctx context.Context, operations []storage.Operation) error {
	err := s.storage.Batch(ctx, operations)
	if err != nil {
		s.unsettled = true
	}
	return err
}

// settle completes what a change that has failed has left undone: entries that were to be deleted, and entries whose
// append has failed, must not be there when the next one is appended. Otherwise they would stand behind it as if they
// followed it, or in front of the log with a hole in between.
func (s *Store) settle(ctx context.Context) error {
	if !s.unsettled {
		return nil
	}
	first, last := s.first.Load(), s.last.Load()
	if err := s.deleteStored(ctx, storage.Range{Start: logKey(last + 1), End: logEnd, Reverse: true}); err != nil {
		return err
	}
	if err := s.deleteStored(ctx, storage.Range{Start: logStart, End: logKey(first)}); err != nil {
		return err
	}
	s.stored = first
	s.unsettled = false
	return nil
}

// deleteStored removes whatever is in a range, in the range's order.
func (s *Store) deleteStored(ctx context.Context, r storage.Range) error {
	r.KeysOnly, r.Limit = true, deleteSize
	for {
		pairs, err := s.storage.GetRange(ctx, r)
		if err != nil || len(pairs) == 0 {
			return err
		}
		operations := make([]storage.Operation, len(pairs))
		for i, pair := range pairs {
			operations[i] = storage.Operation{Key: pair.Key, Delete: true}
		}
		if err := s.storage.Batch(ctx, operations); err != nil {
			return err
		}
	}
}
