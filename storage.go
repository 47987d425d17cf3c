package s3lect

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Storage keeps small objects under keys and replaces them conditionally. It is everything an
// election needs from the outside world, and the safety of the election rests on this contract.
// [github.com/seed-6dc909bb/s3lect/storagetest] checks it for any implementation, and
// [VerifyStorage] checks it for a live one.
//
// Keys are non-empty, slash-separated UTF-8 strings. An implementation may refuse a key it cannot
// hold, with an error that names it and wraps [ErrStorageKey]; it never maps two keys to one object. Bytes come back as they
// were put, whatever they are. Objects of 64 KiB must fit.
//
// An ETag names a version of an object. It is opaque: it is only ever compared and handed back as
// it came. Two versions with different bytes must never share an ETag; two versions with the same
// bytes may (they do on S3), which is why every record the elector writes carries a fresh nonce.
//
// PutIfMatch is linearizable per key: its comparison and its replacement are one step, so of any
// number of concurrent calls with the same ETag at most one takes effect. A reader never sees a
// part of an object. A Get that starts after a PutIfMatch has returned nil answers that version or
// a later one; should a storage answer an earlier one, elections stay safe and only become slower.
// Bytes and ETag belong together. Some servers pair, during a write, those of two versions; elections
// survive that as long as two reads, one after the other, do not show the same wrong pair.
//
// An error of PutIfMatch means that the outcome is unknown, whatever the error is: the write may
// have landed, or may land later, while its reply was lost. Callers read back and compare. A
// Storage must therefore not retry a conditional write by itself: the second attempt would report
// [ErrStoragePrecondition] for a write whose first attempt landed.
//
// A cancelled or expired context ends a call promptly with an error for which errors.Is finds the
// context's error. An elector leaves a call behind that does not obey; with four such calls that have
// not returned it makes no more until one has. All methods are safe for concurrent use.
type Storage interface {
	// Get returns the bytes and the ETag of one version of the object. If there is no such object
	// the error is ErrStorageNotFound. A missing bucket, a missing permission or an unreachable
	// server is another error that says so: taken for "not found", it would look like a vacant
	// leadership.
	Get(ctx context.Context, key string) (data []byte, etag string, err error)

	// PutIfMatch replaces the object if its present version has the given ETag, and creates it if
	// the ETag is empty and the object does not exist. If that condition does not hold, nothing is
	// written and the error is ErrStoragePrecondition; an object that is gone is such a case too.
	PutIfMatch(ctx context.Context, key string, data []byte, etag string) error
}

// ETagPutter is an optional capability of a [Storage]: to report the ETag of what it has written.
// A leader on such a storage renews with one write and no read. A wrapper that embeds the Storage
// interface loses the capability, costs two reads more per renewal, and works.
type ETagPutter interface {
	// PutIfMatchETag is PutIfMatch, and also returns the ETag of the version it created. An empty
	// ETag with a nil error means that the write is done and its ETag is not known.
	PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error)
}

// Creator is an optional capability of a [Storage] whose objects can expire by themselves: to create
// an object that will, or to tell which one is there already, in one step. Only a storage that
// really removes expired objects may have it. A PutIfMatch leaves the expiry of an object as it is.
type Creator interface {
	// GetOrCreate returns the bytes of the object. If there is none it creates it with the given
	// ones, and created is true; from ttl later on the object may be gone, unless ttl is 0. The two
	// are one step for every other call: of any number of concurrent calls at most one creates.
	// As with PutIfMatch, an error means that the outcome is unknown.
	GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) (current []byte, created bool, err error)
}

// ContextHeeder is an optional capability of a [Storage]: to promise that each of its calls returns as
// soon as its context ends, whatever hangs below it. Whoever makes many calls can then make them
// directly; other calls need a goroutine each, that can be left behind.
type ContextHeeder interface {
	// HeedsContexts reports whether that is promised. The answer never changes.
	HeedsContexts() bool
}

// Lister is an optional capability of a [Storage]: to tell which objects there are. Elections never
// list; this is for tidying up.
type Lister interface {
	// List yields the keys that begin with prefix, in no particular order, each at least once. An
	// object that comes or goes meanwhile may be among them or not. An error ends the list.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// Deleter is an optional capability of a [Storage]: to remove an object. Leader records are never
// deleted, their terms would begin anew.
type Deleter interface {
	// Delete removes the object, whatever its version. There need not be one.
	Delete(ctx context.Context, key string) error
}

var (
	// ErrStorageNotFound says that there is no object under the key.
	ErrStorageNotFound = errors.New("object not found")

	// ErrStoragePrecondition says that the object is not in the version that the write asked for,
	// so that nothing was written by this request. A request that was sent twice on the way, by a
	// proxy for example, can be refused with it although its first copy landed.
	ErrStoragePrecondition = errors.New("object has changed: precondition failed")

	// ErrStorageThrottled says that the storage asks for fewer requests (429, 503 SlowDown). The
	// elector waits longer before it tries again.
	ErrStorageThrottled = errors.New("storage asks to slow down")

	// ErrStorageForeign says that what is under the key was not put there by this storage, but by
	// another program. It is never overwritten, and trying again is of no use. A storage that shares
	// its place with others, as a database does, should wrap it in its error.
	ErrStorageForeign = errors.New("not an object of this storage")

	// ErrStorageKey says that the storage refuses the key itself, so that trying again is of no
	// use. A storage that refuses keys should wrap it in its error.
	ErrStorageKey = errors.New("the storage cannot hold such a key")
)
