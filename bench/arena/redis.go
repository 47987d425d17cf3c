package arena

import (
	"context"
	"sync"
	"time"
)

// keyspace is what electors use of Redis, in memory: keys with a time to live, and steps that nothing
// interrupts. Its clock is true time.
type keyspace struct {
	mu   sync.Mutex
	keys map[string]entry
}

type entry struct {
	value   string
	expires time.Time
}

func newKeyspace() *keyspace { return &keyspace{keys: map[string]entry{}} }

// Keys are the keys of Redis during one step.
type Keys struct{ keys map[string]entry }

// Get returns the value of a key, if there is one.
func (k Keys) Get(key string) (string, bool) {
	e, ok := k.keys[key]
	if !ok || !time.Now().Before(e.expires) {
		return "", false
	}
	return e.value, true
}

// Set sets a key for as long as ttl.
func (k Keys) Set(key, value string, ttl time.Duration) {
	k.keys[key] = entry{value, time.Now().Add(ttl)}
}

// TTL returns how long a key will be there; 0 if it is not.
func (k Keys) TTL(key string) time.Duration {
	return max(0, time.Until(k.keys[key].expires))
}

// Delete removes a key.
func (k Keys) Delete(key string) { delete(k.keys, key) }

// Redis has the arena's Redis carry out one step, a command or a script, for a process of the node. A step can be carried out after its
// caller has given up; what it finds comes back with it.
func Redis[T any](ctx context.Context, n *Node, write bool, step func(Keys) T) (T, error) {
	return send(ctx, n, request[T]{
		write: write,
		serve: func(context.Context, time.Duration) T {
			r := n.arena.redis
			r.mu.Lock()
			defer r.mu.Unlock()
			return step(Keys{r.keys})
		},
		refused: func(T) bool { return false },
	})
}

// remove deletes everything.
func (k *keyspace) remove() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keys)
}
