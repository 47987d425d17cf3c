package contender

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-redsync/redsync/v4/redis"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
)

// The scripts of redsync's that are used, by the hashes it gives them. Another version may have others.
const (
	releaseScript = "e950836ed1e694540c503ef9972b8de518044d3b"
	extendScript  = "d75bb8b5bd13532ddedd17762e772346e39b321e"
)

// keys is a pool of connections to the arena's Redis.
type keys struct{ node *arena.Node }

// Get returns a connection.
func (k keys) Get(ctx context.Context) (redis.Conn, error) { return conn{ctx, k.node}, nil }

// conn is a connection that lives as long as the call that it was taken for.
type conn struct {
	ctx  context.Context //nolint:containedctx // redsync's interface hands it to the pool alone
	node *arena.Node
}

func (c conn) Get(name string) (string, error) {
	return arena.Redis(c.ctx, c.node, false, func(k arena.Keys) string {
		value, _ := k.Get(name)
		return value
	})
}

// SetNX is SET NX PX. The time to live counts on the server's clock.
func (c conn) SetNX(name, value string, expiry time.Duration) (bool, error) {
	return arena.Redis(c.ctx, c.node, true, func(k arena.Keys) bool {
		if _, exists := k.Get(name); exists {
			return false
		}
		k.Set(name, value, c.node.Shown(expiry))
		return true
	})
}

// Eval runs the scripts that redsync has, as Redis would.
func (c conn) Eval(script *redis.Script, keysAndArgs ...any) (any, error) {
	name, value := fmt.Sprint(keysAndArgs[0]), fmt.Sprint(keysAndArgs[1])
	switch script.Hash {
	case releaseScript:
		return arena.Redis(c.ctx, c.node, true, func(k arena.Keys) int64 { return release(k, name, value) })
	case extendScript:
		milliseconds, err := strconv.Atoi(fmt.Sprint(keysAndArgs[2]))
		if err != nil {
			return nil, fmt.Errorf("redsync extends by %v: %w", keysAndArgs[2], err)
		}
		ttl := c.node.Shown(time.Duration(milliseconds) * time.Millisecond)
		return arena.Redis(c.ctx, c.node, true, func(k arena.Keys) int64 { return extend(k, name, value, ttl) })
	default:
		return nil, fmt.Errorf("redsync runs a script that the arena's Redis does not know: %s", script.Src)
	}
}

func release(k arena.Keys, name, value string) int64 {
	switch now, exists := k.Get(name); {
	case !exists:
		return -1
	case now != value:
		return 0
	default:
		k.Delete(name)
		return 1
	}
}

func extend(k arena.Keys, name, value string, ttl time.Duration) int64 {
	if now, _ := k.Get(name); now != value {
		return 0
	}
	k.Set(name, value, ttl)
	return 1
}

func (c conn) PTTL(name string) (time.Duration, error) {
	return arena.Redis(c.ctx, c.node, false, func(k arena.Keys) time.Duration { return k.TTL(name) })
}

func (c conn) Set(name, value string) (bool, error) {
	const forever = 1000 * time.Hour
	return arena.Redis(c.ctx, c.node, true, func(k arena.Keys) bool {
		k.Set(name, value, forever)
		return true
	})
}

func (c conn) ScriptLoad(*redis.Script) error { return nil }
func (c conn) Close() error                   { return nil }
