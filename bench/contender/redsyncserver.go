package contender

import (
	"context"
	"fmt"
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

func (c conn) Get(name string) (value string, err error) {
	err = c.node.Redis(c.ctx, false, func(k arena.Keys) { value, _ = k.Get(name) })
	return value, err
}

// SetNX is SET NX PX. The time to live counts on the server's clock.
func (c conn) SetNX(name, value string, expiry time.Duration) (set bool, err error) {
	err = c.node.Redis(c.ctx, true, func(k arena.Keys) {
		if _, exists := k.Get(name); !exists {
			k.Set(name, value, c.node.Shown(expiry))
			set = true
		}
	})
	return set && err == nil, err
}

func (c conn) Eval(script *redis.Script, keysAndArgs ...any) (any, error) {
	name, value := keysAndArgs[0].(string), keysAndArgs[1].(string)
	var result int64
	var step func(arena.Keys)
	switch script.Hash {
	case releaseScript:
		step = func(k arena.Keys) {
			switch now, exists := k.Get(name); {
			case !exists:
				result = -1
			case now == value:
				k.Delete(name)
				result = 1
			}
		}
	case extendScript:
		ttl := time.Duration(keysAndArgs[2].(int)) * time.Millisecond
		step = func(k arena.Keys) {
			if now, _ := k.Get(name); now == value {
				k.Set(name, value, c.node.Shown(ttl))
				result = 1
			}
		}
	default:
		return nil, fmt.Errorf("redsync runs a script that the arena's Redis does not know: %s", script.Src)
	}
	if err := c.node.Redis(c.ctx, true, step); err != nil {
		return nil, err
	}
	return result, nil
}

func (c conn) PTTL(name string) (left time.Duration, err error) {
	err = c.node.Redis(c.ctx, false, func(k arena.Keys) { left = k.TTL(name) })
	return left, err
}

func (c conn) Set(name, value string) (bool, error) {
	const forever = 1000 * time.Hour
	err := c.node.Redis(c.ctx, true, func(k arena.Keys) { k.Set(name, value, forever) })
	return err == nil, err
}

func (c conn) ScriptLoad(*redis.Script) error { return nil }
func (c conn) Close() error                   { return nil }
