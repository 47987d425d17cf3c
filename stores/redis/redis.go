// Package redis is a storage on a Redis server, on a primary that sentinels watch over, or on a
// cluster.
//
// # What it keeps, and what a failover can lose
//
// On a server that keeps its memory the storage is linearizable: every operation is one command or
// one script, and Redis runs one at a time. Versions never repeat, not even when a server comes
// back with older data, because they are random and not counted.
//
// Replication of Redis is asynchronous, though. A primary acknowledges a write before any replica
// has it; when it fails then, the replica that takes over does not know of it, and a primary that
// is cut off goes on acknowledging what will be thrown away. Such a failover breaks the contract of
// [s3lect.Storage]: two processes can lead at once for up to a lease, a term can be given twice,
// and a round can be won twice. Neither WAIT nor min-replicas-to-write prevents that; they only make
// it less likely. The same holds for a server that crashes without appendfsync always. Where that
// matters use S3 or another store that confirms only what it cannot lose any more, and in any case
// give the term to whatever the leader changes.
//
// # Requirements
//
// Redis 6.0 or newer with scripts in Lua, and the eviction policy noeviction: with another one a
// full server removes leader records.
package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Storage is an [s3lect.Storage] on Redis, with the capabilities [s3lect.ETagPutter],
// [s3lect.Creator], [s3lect.Lister], [s3lect.Deleter] and [s3lect.ContextHeeder].
//
// An object is a string of Redis under its key, behind the prefix: "s3lect1:", its version, a line
// end, and the bytes. The version is random and is the ETag. A value that is none of these is
// another program's: it is an error that names the key, and is neither overwritten nor deleted.
//
// Nothing is sent twice by itself, except where a node of a cluster redirects, and a write that
// arrives twice all the same knows its own version and reports success.
//
// Keys and the prefix must be slash-separated paths without empty, "." or ".." segments and without
// a slash at either end, as on the other storages. Objects have at most 1 MiB; of a larger one Get
// returns the first 1 MiB and one byte.
//
// When its context ends, a call returns at once; what it has sent may still take effect. All methods
// are safe for concurrent use.
type Storage struct {
	client goredis.UniversalClient
	prefix string // empty, or ends with a slash
	place  string // of the server, for errors
	wires  *wires // those of a client that Open has made; nil of the caller's own

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Options are those of [New].
type Options struct {
	// Prefix is joined with each key by a slash. Defaults to none.
	Prefix string
}

// New returns a storage on a client that the caller has configured, and closes after the storage.
// It makes no request.
//
// The client must read from primaries. Each call with a context that can end costs a goroutine, which
// goes on when the call has been given up, until the read and write time-outs of the client, or with
// ContextTimeoutEnabled the deadline of the context; a storage made by [Open] has no need of it.
// Retries that the client is configured for are not made. A Ring is refused: it moves keys to another server when one is down,
// and then there are two.
func New(client goredis.UniversalClient, options Options) (*Storage, error) {
	s := &Storage{client: client, prefix: options.Prefix}
	switch c := client.(type) {
	case *goredis.Client:
		s.place = "at " + c.Options().Addr
	case *goredis.ClusterClient:
		if c.Options().ReadOnly {
			return nil, errors.New("new Redis storage: the client reads from replicas, which may be behind; leave ReadOnly, RouteByLatency and RouteRandomly out")
		}
		s.place = "cluster at " + strings.Join(c.Options().Addrs, ", ")
	default:
		return nil, fmt.Errorf("new Redis storage: a %T cannot be used, only a *redis.Client or a *redis.ClusterClient", client)
	}
	if s.prefix == "" {
		return s, nil
	}
	s.prefix = strings.TrimSuffix(s.prefix, "/")
	if err := checkKey(s.prefix); err != nil {
		return nil, fmt.Errorf("new Redis storage: prefix: %w", err)
	}
	s.prefix += "/"
	return s, nil
}

// Get implements [s3lect.Storage].
func (s *Storage) Get(ctx context.Context, key string) (data []byte, etag string, err error) {
	c := s.call(ctx, "read", key)
	value, err := c.read()
	if err != nil {
		return nil, "", c.failed(err)
	}
	data, etag, err = decode(value)
	if err != nil {
		return nil, "", c.failed(err)
	}
	return data, etag, nil
}

// PutIfMatch implements [s3lect.Storage].
func (s *Storage) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := s.PutIfMatchETag(ctx, key, data, etag)
	return err
}

// PutIfMatchETag implements [s3lect.ETagPutter].
func (s *Storage) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	c := s.call(ctx, "write", key)
	version := rand.Text()
	value, err := encode(version, data)
	if err != nil {
		return "", c.failed(err)
	}
	expected := ""
	if etag != "" {
		expected = header(etag)
	}
	if err := c.change(putScript, expected, value); err != nil {
		return "", c.failed(err)
	}
	return version, nil
}

// GetOrCreate implements [s3lect.Creator]. A ttl is rounded up to whole milliseconds.
func (s *Storage) GetOrCreate(ctx context.Context, key string, data []byte, ttl time.Duration) (current []byte, created bool, err error) {
	c := s.call(ctx, "create", key)
	value, err := encode(rand.Text(), data)
	if err != nil {
		return nil, false, c.failed(err)
	}
	if ttl < 0 {
		return nil, false, c.failed(fmt.Errorf("the time to live %v is negative", ttl))
	}
	there, err := c.eval(createScript, value, milliseconds(ttl))
	if err != nil {
		return nil, false, c.failed(err)
	}
	if there == "" {
		return value[headerSize:], true, nil
	}
	current, _, err = decode(there)
	if err != nil {
		return nil, false, c.failed(err)
	}
	return current, false, nil
}

// Delete implements [s3lect.Deleter].
func (s *Storage) Delete(ctx context.Context, key string) error {
	c := s.call(ctx, "delete", key)
	if err := c.change(deleteScript); err != nil {
		return c.failed(err)
	}
	return nil
}

// HeedsContexts implements [s3lect.ContextHeeder]. A storage made by New cannot promise it.
func (s *Storage) HeedsContexts() bool { return s.wires != nil }

// Close ends the storage: calls from now on fail, and those under way end. It waits for them. The
// client of a storage made by [New] stays open, and calls under way end as they would, also those
// that were given up; its owner closes it.
func (s *Storage) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	var err error
	if first && s.wires != nil {
		err = s.client.Close()
	}
	s.calls.Wait()
	if err != nil {
		return fmt.Errorf("close Redis storage: %w", err)
	}
	return nil
}

// milliseconds rounds up.
func milliseconds(d time.Duration) int64 {
	n := d.Milliseconds()
	if d%time.Millisecond > 0 {
		n++
	}
	return n
}

// DiscardClientLog has the client library write nothing to standard error any more, in the whole
// process. What it has to say is in the errors of calls, too. Call it before anything is opened.
func DiscardClientLog() { logging.Disable() }
