package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// removeOld deletes the snapshots beyond those that are retained. A failure is logged alone: the new snapshot is
// there, and the next one tries again.
func (c *snapshotChunks) removeOld(ctx context.Context) {
	pairs, err := c.storage.GetRange(ctx, storage.Range{
		Start: []byte{spaceDescriptions}, End: []byte{spaceDescriptions + 1}, Reverse: true, KeysOnly: true,
	})
	if err != nil {
		c.logger.Warn("old snapshots not removed", "error", err)
		return
	}
	for _, pair := range pairs[min(c.retain, len(pairs)):] {
		id := string(pair.Key[1:])
		if err := c.remove(ctx, id); err != nil {
			c.logger.Warn("old snapshot not removed", "snapshot", id, "error", err)
		}
	}
}

func (c *snapshotChunks) remove(ctx context.Context, id string) error {
	if err := c.storage.Delete(ctx, descriptionKey(id)); err != nil {
		return err
	}
	c.mu.Lock()
	inUse := c.inUse[id] > 0
	if inUse {
		c.doomed[id] = true
	}
	c.mu.Unlock()
	if inUse {
		return nil
	}
	return c.deleteChunks(ctx, id)
}

func (c *snapshotChunks) deleteChunks(ctx context.Context, id string) error {
	prefix := chunksOf(id)
	pairs, err := c.storage.GetRange(ctx, storage.Range{Start: prefix, End: behind(prefix), KeysOnly: true})
	if err != nil {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	operations := make([]storage.Operation, len(pairs))
	for i, pair := range pairs {
		operations[i] = storage.Operation{Key: pair.Key, Delete: true}
	}
	if err := c.storage.Batch(ctx, operations); err != nil {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	return nil
}

// removeUnfinished deletes chunks of snapshots that have no description: a crash has kept them from being finished, or
// from being removed.
func (c *snapshotChunks) removeUnfinished(ctx context.Context) error {
	start, end := []byte{spaceChunks}, []byte{spaceChunks + 1}
	for {
		pairs, err := c.storage.GetRange(ctx, storage.Range{Start: start, End: end, Limit: 1, KeysOnly: true})
		if err != nil || len(pairs) == 0 {
			return err
		}
		id, _, ok := bytes.Cut(pairs[0].Key[1:], []byte{'/'})
		if !ok {
			return &CorruptError{What: fmt.Sprintf("key %q of a snapshot", pairs[0].Key), Err: errors.New("it names no snapshot")}
		}
		_, err = c.storage.Get(ctx, descriptionKey(string(id)))
		switch {
		case errors.Is(err, storage.ErrNotFound):
			if err := c.deleteChunks(ctx, string(id)); err != nil {
				return err
			}
			c.logger.Info("unfinished snapshot removed", "snapshot", string(id))
		case err != nil:
			return err
		}
		start = behind(chunksOf(string(id)))
	}
}

// behind returns the first key behind all that begin with a prefix, whose last byte is not the highest.
func behind(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}
