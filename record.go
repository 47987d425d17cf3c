package s3lect

import "context"

// ReadLeaderRecord reads the leader record under a key, without taking part in the election. The
// error is ErrStorageNotFound where there is none yet, and a *BadRecordError where the object is
// something else.
func ReadLeaderRecord(ctx context.Context, storage Storage, key string) (*LeaderRecord, error) {
	panic("skeleton")
}

// RepairLeaderRecord replaces an object that is not a leader record (or is one, and blocks the
// election) by a resigned record whose term is above the one that can still be read out of the old
// bytes, and not below minTerm. It returns what it wrote. The object must not have changed from
// etag, the version the caller has looked at.
func RepairLeaderRecord(ctx context.Context, storage Storage, key, etag string, minTerm int64) (*LeaderRecord, error) {
	panic("skeleton")
}
