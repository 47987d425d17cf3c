package raftstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/raft"
)

// chunkSink writes a snapshot chunk by chunk.
type chunkSink struct {
	chunks *snapshotChunks
	found  description
	buffer []byte // the chunk that is being filled, behind room for its seal
	err    error  // of the first write that has failed
	done   bool
}

func (c *snapshotChunks) create(meta raft.SnapshotMeta, _ raft.Transport) (raft.SnapshotSink, error) {
	if meta.Version < raft.SnapshotVersionMin || meta.Version > raft.SnapshotVersionMax {
		return nil, fmt.Errorf("create snapshot: version %d is not supported", meta.Version)
	}
	meta.ID = newSnapshotID(meta.Term, meta.Index)
	return &chunkSink{
		chunks: c,
		found:  description{Meta: meta},
		buffer: make([]byte, sealSize, sealSize+chunkSize),
	}, nil
}

// ID returns the name of the snapshot.
func (s *chunkSink) ID() string { return s.found.Meta.ID }

// Write adds to the snapshot.
func (s *chunkSink) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && s.err == nil {
		n := min(len(p), cap(s.buffer)-len(s.buffer))
		s.buffer = append(s.buffer, p[:n]...)
		p = p[n:]
		written += n
		if len(s.buffer) == cap(s.buffer) {
			s.flush()
		}
	}
	return written, s.err
}

func (s *chunkSink) flush() {
	key := chunkKey(s.ID(), s.found.Chunks)
	putSeal(key, s.buffer)
	if err := s.chunks.storage.Set(context.Background(), key, s.buffer); err != nil {
		s.err = fmt.Errorf("write chunk %d of snapshot %s: %w", s.found.Chunks, s.ID(), err)
		return
	}
	s.found.Chunks++
	s.found.Meta.Size += int64(len(s.buffer) - sealSize)
	s.buffer = s.buffer[:sealSize]
}

// Close makes the snapshot visible and removes those that are too many now.
func (s *chunkSink) Close() error {
	if s.done {
		return nil
	}
	if len(s.buffer) > sealSize && s.err == nil {
		s.flush()
	}
	if s.err != nil {
		_ = s.Cancel()
		return s.err
	}
	s.done = true
	text, err := json.Marshal(s.found)
	if err != nil {
		return fmt.Errorf("finish snapshot %s: %w", s.ID(), err)
	}
	key := descriptionKey(s.ID())
	if err := s.chunks.storage.Set(context.Background(), key, seal(key, text)); err != nil {
		return fmt.Errorf("finish snapshot %s: %w", s.ID(), err)
	}
	s.chunks.removeOld(context.Background())
	return nil
}

// Cancel removes what has been written.
func (s *chunkSink) Cancel() error {
	if s.done {
		return nil
	}
	s.done = true
	return s.chunks.deleteChunks(context.Background(), s.ID())
}
