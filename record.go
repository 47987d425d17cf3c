package s3lect

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// ReadLeaderRecord reads the leader record under a key, without taking part in the election. The
// error is ErrStorageNotFound where there is none yet, and a *BadRecordError where the object is
// something else.
func ReadLeaderRecord(ctx context.Context, storage Storage, key string) (*LeaderRecord, error) {
	r, etag, err := readRecord(ctx, storage, key)
	if err != nil {
		return nil, err
	}
	return leaderRecord(r, etag), nil
}

// RepairLeaderRecord replaces whatever stands under the key in the version etag, which the caller
// has looked at, by a resigned record, so that an election can begin. Its term is above the one
// that the old bytes still show, and at least minTerm. It returns what it wrote. If the object has
// changed meanwhile, nothing is written and the error is ErrStoragePrecondition. An object of more than
// 1 MiB is left as it is: it is no leader record, and a Get may have returned its beginning only.
func RepairLeaderRecord(ctx context.Context, storage Storage, key, etag string, minTerm int64) (*LeaderRecord, error) {
	data, now, err := storage.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read leader record %q: %w", key, err)
	}
	if now != etag {
		return nil, fmt.Errorf("repair leader record %q: %w", key, ErrStoragePrecondition)
	}
	if len(data) > maxObjectSize {
		return nil, fmt.Errorf("repair leader record %q: the object has more than %d bytes, so it is something else: copy and remove it with the storage's own tools, or choose another key", key, maxObjectSize)
	}
	term := max(SalvageTerm(data)+1, minTerm)
	if term < 1 || term >= lease.MaxTerm-1 {
		return nil, fmt.Errorf("repair leader record %q: term %d leaves no room for others: choose another key", key, term)
	}
	random := env.System().Uint64
	r := &lease.Record{Term: term, Nonce: fmt.Sprintf("%016x%016x", random(), random())}
	fresh, err := r.Encode()
	if err != nil {
		return nil, err
	}
	if err := storage.PutIfMatch(ctx, key, fresh, etag); err != nil {
		return nil, fmt.Errorf("write leader record %q: %w", key, err)
	}
	return leaderRecord(r, ""), nil
}

var termField = regexp.MustCompile(`"term"\s*:\s*([0-9]{1,16})\b`)

// SalvageTerm returns the highest term that can be made out in bytes that may be a leader record, a
// part of one, or none; 0 where there is nothing like it.
func SalvageTerm(data []byte) int64 {
	highest := int64(0)
	for _, match := range termField.FindAllSubmatch(data, -1) {
		if term, err := strconv.ParseInt(string(match[1]), 10, 64); err == nil {
			highest = max(highest, term)
		}
	}
	return highest
}

// readRecord reads and checks the record.
func readRecord(ctx context.Context, storage Storage, key string) (*lease.Record, string, error) {
	r, _, etag, err := readPublication(ctx, storage, key)
	return r, etag, err
}

// readPublication is readRecord that returns the bytes as well.
func readPublication(ctx context.Context, storage Storage, key string) (r *lease.Record, data []byte, etag string, err error) {
	data, etag, err = storage.Get(ctx, key)
	switch {
	case errors.Is(err, ErrStorageNotFound):
		return nil, nil, "", err
	case err != nil:
		return nil, nil, "", fmt.Errorf("read leader record %q: %w", key, err)
	case etag == "":
		return nil, nil, "", fmt.Errorf("read leader record %q: the storage answered without an ETag, and nothing can be replaced safely without one", key)
	}
	r, err = lease.Decode(data)
	if err != nil {
		return nil, nil, "", &BadRecordError{Key: key, Reason: err.Error()}
	}
	return r, data, etag, nil
}

func leaderRecord(r *lease.Record, etag string) *LeaderRecord {
	return &LeaderRecord{
		LeaderID:    r.LeaderID,
		LeaderAddr:  r.LeaderAddr,
		LastUpdated: r.LastUpdated,
		Term:        r.Term,
		Session:     r.Session,
		Nonce:       r.Nonce,
		Sequence:    r.Sequence,
		LeaseMillis: int64(r.Lease / time.Millisecond),
		Successor:   r.Successor,
		QuorumLost:  r.QuorumLost,
		Metadata:    LeaderRecordMetadata{ETag: etag},
	}
}
