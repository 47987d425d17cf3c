package raftstore

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// StoreLog appends one entry.
func (s *Store) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries, which must follow each other, and syncs once. Entries that are there already from the first
// of these on are replaced.
//
// If the first one does not follow the last one there is, everything before it is removed: the engine appends so only
// behind a snapshot, which contains what is missing and what is removed.
//
// After an error nothing is appended as far as this Store goes on. If the process ends instead, the log may have some of
// the entries when it is opened again.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	from, to := logs[0].Index, logs[len(logs)-1].Index
	for i, log := range logs {
		if log.Index == 0 || log.Index != from+uint64(i) {
			return fmt.Errorf("append to log: entry %d does not follow entry %d", log.Index, from+uint64(i)-1)
		}
	}
	s.changing.take()
	defer s.changing.give()

	ctx := context.Background()
	if err := s.makeRoom(ctx, from); err != nil {
		return fmt.Errorf("append log entries %d to %d: %w", from, to, err)
	}
	buffer := takeBuffer()
	defer buffer.giveBack()
	if err := s.change(ctx, buffer.encode(logs)); err != nil {
		return fmt.Errorf("append log entries %d to %d: %w", from, to, err)
	}
	if s.first.Load() == 0 {
		s.stored = from
		s.first.Store(from) // before last, so that readers never see a log from 0 on
	}
	s.last.Store(to)
	return nil
}

// makeRoom leaves the log empty or with an end just before the given index.
func (s *Store) makeRoom(ctx context.Context, index uint64) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	first, last := s.first.Load(), s.last.Load()
	switch {
	case last == 0 || index == last+1:
		return nil
	case index > last+1 || index <= first:
		return s.deleteAll(ctx)
	default:
		return s.deleteTail(ctx, index)
	}
}

// encoding is the memory in which entries become operations. It is used again and again.
type encoding struct {
	bytes      []byte
	operations []storage.Operation
}

// encode returns the operations that store the entries. They are valid until giveBack.
func (e *encoding) encode(logs []*raft.Log) []storage.Operation {
	size := 0
	for _, log := range logs {
		size += logKeySize + entrySize(log)
	}
	if cap(e.bytes) < size {
		e.bytes = make([]byte, 0, size)
	}
	b, operations := e.bytes[:0], e.operations[:0]
	for _, log := range logs {
		start := len(b)
		b = appendLogKey(b, log.Index)
		behindKey := len(b)
		b = appendEntry(b, log)
		operations = append(operations, storage.Operation{
			Key:   b[start:behindKey:behindKey],
			Value: b[behindKey:len(b):len(b)],
		})
	}
	e.bytes, e.operations = b, operations
	return operations
}
