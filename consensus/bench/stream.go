//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// stream is a state machine with a large state that it does not hold: it writes what a generator gives, and reads it
// against the same generator. So the memory that is measured is not the machine's.
type stream struct {
	counter
	blocks   int
	restored chan struct{} // closed when a snapshot has been restored
	once     sync.Once
}

const streamBlock = 64 << 10

func newStream(mib int) *stream {
	return &stream{blocks: mib << 20 / streamBlock, restored: make(chan struct{})}
}

func (s *stream) generator() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// Snapshot implements consensus.StateMachine.
func (s *stream) Snapshot() (*consensus.Snapshot, error) {
	return &consensus.Snapshot{WriteTo: s.writeTo}, nil
}

func (s *stream) writeTo(w io.Writer) error {
	block, generator := make([]byte, streamBlock), s.generator()
	for range s.blocks {
		if _, err := io.ReadFull(generator, block); err != nil {
			return err
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return nil
}

// Restore implements consensus.StateMachine.
func (s *stream) Restore(snapshot *consensus.Snapshot) error {
	block, expected, generator := make([]byte, streamBlock), make([]byte, streamBlock), s.generator()
	for i := range s.blocks {
		if _, err := io.ReadFull(generator, expected); err != nil {
			return err
		}
		if _, err := io.ReadFull(snapshot.Reader, block); err != nil {
			return fmt.Errorf("read block %d of %d: %w", i, s.blocks, err)
		}
		if !bytes.Equal(block, expected) {
			return fmt.Errorf("block %d of %d is not what was written", i, s.blocks)
		}
	}
	if n, err := io.Copy(io.Discard, snapshot.Reader); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%d bytes too many", n))
	}
	s.once.Do(func() { close(s.restored) })
	return nil
}
