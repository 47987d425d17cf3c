package raftstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// chunkSize is how much of a snapshot is under one key.
const chunkSize = 1 << 20

// snapshotChunks keeps snapshots in the storage itself, cut into chunks. A snapshot is there once its description is,
// which is written last and deleted first.
type snapshotChunks struct {
	storage storage.Storage
	retain  int
	logger  *slog.Logger

	mu     sync.Mutex
	inUse  map[string]int  // readers by snapshot
	doomed map[string]bool // to be deleted when the last reader is done
}

// description is what is stored about a snapshot.
type description struct {
	Meta   raft.SnapshotMeta
	Chunks uint32
}

func openSnapshotChunks(ctx context.Context, s storage.Storage, retain int, logger *slog.Logger) (*snapshotChunks, error) {
	c := &snapshotChunks{storage: s, retain: retain, logger: logger, inUse: map[string]int{}, doomed: map[string]bool{}}
	if err := c.removeUnfinished(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func descriptionKey(id string) []byte { return append([]byte{spaceDescriptions}, id...) }

func chunksOf(id string) []byte { return append(append([]byte{spaceChunks}, id...), '/') }

func chunkKey(id string, number uint32) []byte {
	return binary.BigEndian.AppendUint32(chunksOf(id), number)
}

// newSnapshotID returns a name that is behind those of all older snapshots.
func newSnapshotID(term, index uint64) string {
	return fmt.Sprintf("%016x-%016x-%016x", term, index, time.Now().UnixNano())
}

func (c *snapshotChunks) newest() (*raft.SnapshotMeta, error) {
	pairs, err := c.storage.GetRange(context.Background(), storage.Range{
		Start: []byte{spaceDescriptions}, End: []byte{spaceDescriptions + 1}, Reverse: true, Limit: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	found, err := decodeDescription(string(pairs[0].Key[1:]), pairs[0].Value)
	if err != nil {
		return nil, err
	}
	return &found.Meta, nil
}

func decodeDescription(id string, sealed []byte) (*description, error) {
	text, err := unseal("snapshot "+id, descriptionKey(id), sealed)
	if err != nil {
		return nil, err
	}
	var found description
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, corruptSnapshot(id, err)
	}
	return &found, nil
}

func (c *snapshotChunks) open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	c.mu.Lock()
	c.inUse[id]++
	c.mu.Unlock()
	reader := &chunkReader{chunks: c, id: id}

	sealed, err := c.storage.Get(context.Background(), descriptionKey(id))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read snapshot %s: %w", id, err), reader.Close())
	}
	found, err := decodeDescription(id, sealed)
	if err != nil {
		return nil, nil, errors.Join(err, reader.Close())
	}
	reader.left, reader.size = found.Chunks, found.Meta.Size
	return &found.Meta, reader, nil
}

// chunkReader reads a snapshot chunk by chunk.
type chunkReader struct {
	chunks *snapshotChunks
	id     string
	next   uint32 // number of the next chunk
	left   uint32 // chunks that are still to come
	size   int64  // bytes that are still to come
	rest   []byte // of the chunk that was read last
}

// Read hands out bytes of chunks that have been checked.
func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) fetch() error {
	if r.left == 0 {
		if r.size != 0 {
			return corruptSnapshot(r.id, fmt.Errorf("%d bytes are missing at its end", r.size))
		}
		return io.EOF
	}
	key := chunkKey(r.id, r.next)
	sealed, err := r.chunks.storage.Get(context.Background(), key)
	if errors.Is(err, storage.ErrNotFound) {
		return corruptSnapshot(r.id, fmt.Errorf("chunk %d is missing", r.next))
	}
	if err != nil {
		return fmt.Errorf("read chunk %d of snapshot %s: %w", r.next, r.id, err)
	}
	chunk, err := unseal(fmt.Sprintf("chunk %d of snapshot %s", r.next, r.id), key, sealed)
	if err != nil {
		return err
	}
	r.rest = chunk
	r.next++
	r.left--
	r.size -= int64(len(chunk))
	return nil
}

// Close ends the reading, once. A snapshot that has been replaced meanwhile is deleted now.
func (r *chunkReader) Close() error {
	c := r.chunks
	c.mu.Lock()
	c.inUse[r.id]--
	remove := false
	if c.inUse[r.id] == 0 {
		delete(c.inUse, r.id)
		remove = c.doomed[r.id]
		delete(c.doomed, r.id)
	}
	c.mu.Unlock()
	if !remove {
		return nil
	}
	return c.deleteChunks(context.Background(), r.id)
}
