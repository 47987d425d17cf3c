package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// scanCount is how many keys the server looks at for one answer. It looks at all keys of the
// database, whatever the prefix.
const scanCount = "1000"

// List implements [s3lect.Lister]. It looks at every key of the database, in steps that do not block
// the server, on one connection to each primary. A key may come twice. While a cluster moves slots
// from one node to another, keys in them may be left out. Keys that this storage could not hold are
// left out.
func (s *Storage) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		c := &call{storage: s, ctx: ctx, verb: "list", key: s.prefix + prefix}
		primaries, err := c.primaries()
		if err != nil {
			yield("", c.failed(err))
			return
		}
		for _, primary := range primaries {
			if goOn, err := c.scan(primary, yield); err != nil || !goOn {
				if err != nil {
					yield("", c.failed(err))
				}
				return
			}
		}
	}
}

// scan yields the keys of one server. A cursor has a meaning on that server only, so all of it goes
// through one connection: should it break, for a failover perhaps, the list ends with an error.
func (c *call) scan(primary *goredis.Client, yield func(string, error) bool) (goOn bool, err error) {
	conn := primary.Conn()
	defer c.release(conn)
	for cursor := "0"; ; {
		reply, err := c.through(conn, "scan", cursor, "match", escapeGlob(c.key)+"*", "count", scanCount)
		if err != nil {
			return false, err
		}
		var keys []string
		if cursor, keys, err = scanReply(reply); err != nil {
			return false, err
		}
		for _, full := range keys {
			key, ours := strings.CutPrefix(full, c.storage.prefix)
			if ours && checkKey(key) == nil && !yield(key, nil) {
				return false, nil
			}
		}
		if cursor == "0" {
			return true, nil
		}
	}
}

// release gives the connection back once no command uses it any more. Where the context has ended,
// one that was left behind may still do so for a while.
func (c *call) release(conn *goredis.Conn) {
	closeConn := func() {
		c.commands.Wait()
		_ = conn.Close() // only ever says that the client is closed
	}
	if c.ctx.Err() == nil || !c.storage.enter() {
		closeConn()
		return
	}
	go func() {
		defer c.storage.leave()
		closeConn()
	}()
}

// primaries are the servers that have keys.
func (c *call) primaries() ([]*goredis.Client, error) {
	switch client := c.storage.client.(type) {
	case *goredis.Client:
		return []*goredis.Client{client}, nil
	case *goredis.ClusterClient:
		return c.primariesOf(client)
	}
	return nil, fmt.Errorf("a %T cannot list: %w", c.storage.client, errors.ErrUnsupported)
}

func (c *call) primariesOf(cluster *goredis.ClusterClient) (list []*goredis.Client, err error) {
	var mu sync.Mutex
	var found []*goredis.Client
	err = c.run(func(ctx context.Context) error {
		return cluster.ForEachMaster(ctx, func(_ context.Context, client *goredis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, client)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func scanReply(reply any) (cursor string, keys []string, err error) {
	parts, ok := reply.([]any)
	if !ok || len(parts) != 2 {
		return "", nil, strange(reply)
	}
	cursor, isText := parts[0].(string)
	list, isList := parts[1].([]any)
	if _, err := strconv.ParseUint(cursor, 10, 64); !isText || !isList || err != nil {
		return "", nil, strange(reply)
	}
	for _, item := range list {
		key, ok := item.(string)
		if !ok {
			return "", nil, strange(reply)
		}
		keys = append(keys, key)
	}
	return cursor, keys, nil
}

// escapeGlob has the server take a prefix as it stands.
func escapeGlob(prefix string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(prefix)
}
