package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/abandon"
)

var errClosed = errors.New("the storage is closed")

// command is a command that the client does not repeat after an error, whatever it is configured
// for. It still follows the redirects of a cluster.
type command struct{ *goredis.Cmd }

// NoRetry is the client's question.
func (command) NoRetry() bool { return true }

// call is one call of the storage, and what its errors have to name.
type call struct {
	storage *Storage
	ctx     context.Context
	verb    string
	key     string // with the prefix
	err     error  // why it cannot be made at all

	commands sync.WaitGroup // those that the client is still busy with
}

func (s *Storage) call(ctx context.Context, verb, key string) *call {
	return &call{storage: s, ctx: ctx, verb: verb, key: s.prefix + key, err: checkKey(key)}
}

// read returns the value. Two commands tell a missing value from an empty one, which is not ours;
// reading only a part keeps a huge one away that is not ours either.
func (c *call) read() (string, error) {
	for range 3 {
		value, err := c.do("getrange", c.key, 0, maxRead-1)
		if err != nil {
			return "", err
		}
		text, ok := value.(string)
		if !ok {
			return "", strange(value)
		}
		if text != "" {
			return text, nil
		}
		exists, err := c.do("exists", c.key)
		if err != nil {
			return "", err
		}
		switch exists {
		case int64(0):
			return "", s3lect.ErrStorageNotFound
		case int64(1):
		default:
			return "", strange(exists)
		}
		// It is empty, or was created between the two commands: look again.
	}
	return "", errForeign
}

// change runs a script that does its work or fails.
func (c *call) change(s script, args ...any) error {
	there, err := c.eval(s, args...)
	if err == nil && there != "" {
		return strange(there)
	}
	return err
}

// eval runs a script on the key. It returns the value that is in its way, if there is one.
func (c *call) eval(s script, args ...any) (there string, err error) {
	arguments := append([]any{"evalsha", s.sha, 1, c.key}, args...)
	reply, err := c.do(arguments...)
	if codeOf(err) == "NOSCRIPT" { // the server does not know it yet, and has done nothing
		arguments[0], arguments[1] = "eval", s.source
		reply, err = c.do(arguments...)
	}
	if err != nil {
		return "", err
	}
	switch reply {
	case answerDone:
		return "", nil
	case answerStale:
		return "", s3lect.ErrStoragePrecondition
	case answerForeign:
		return "", errForeign
	}
	if there, ok := reply.(string); ok && there != "" {
		return there, nil
	}
	return "", strange(reply)
}

// strange is the error about a reply that no Redis gives.
func strange(reply any) error {
	return fmt.Errorf("the server gave a strange answer (a %T); it may not be Redis, and it is not known whether this was done; read back", reply)
}

// do sends one command and returns its reply.
func (c *call) do(args ...any) (any, error) { return c.through(c.storage.client, args...) }

// processor is a client, or one connection of it.
type processor interface {
	Process(ctx context.Context, cmd goredis.Cmder) error
}

func (c *call) through(client processor, args ...any) (any, error) {
	if c.err != nil {
		return nil, c.err
	}
	cmd := command{goredis.NewCmd(c.ctx, args...)}
	if err := c.run(func(ctx context.Context) error { return client.Process(ctx, cmd) }); err != nil {
		return nil, err
	}
	return cmd.Val(), nil
}

// run calls fn, which uses the client, and returns when the context ends.
func (c *call) run(fn func(ctx context.Context) error) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if !c.storage.enter() {
		return errClosed
	}
	if c.storage.wires == nil {
		return c.runAside(fn)
	}
	defer c.storage.leave()
	ctx := c.storage.wires.follow(c.ctx)
	err := fn(ctx)
	ctx.release(err)
	return err
}

// runAside is run on a client whose connections cannot be interrupted. Where the context can end, fn
// runs in a goroutine of its own, which is left behind then; a caller that would leave this one behind
// needs no second. The client's time-outs bound its time, and Close waits for it.
func (c *call) runAside(fn func(ctx context.Context) error) error {
	if c.ctx.Done() == nil || abandon.Inside(c.ctx) {
		defer c.storage.leave()
		return fn(c.ctx)
	}
	done := make(chan error, 1)
	c.commands.Add(1)
	go func() {
		defer c.storage.leave()
		defer c.commands.Done()
		done <- fn(c.ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// enter registers something that Close has to wait for.
func (s *Storage) enter() (open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.calls.Add(1)
	return true
}

func (s *Storage) leave() { s.calls.Done() }
