package storagetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// checkTimeout bounds one check, also on a slow provider.
const checkTimeout = 2 * time.Minute

// A probe is one check's access to the storage. Its helpers wait out a provider's limit of writes
// per second, which says nothing about correctness.
type probe struct {
	ctx       context.Context
	storage   s3lect.Storage
	tornReads bool

	prefix string
	mu     sync.Mutex
	keys   []string
}

func (c check) against(ctx context.Context, storage s3lect.Storage, options ...Option) error {
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	p := &probe{ctx: bounded, storage: storage, prefix: "storagetest/" + rand.Text() + "/"}
	for _, option := range options {
		option(p)
	}
	defer p.tidy(ctx)
	return c.run(p)
}

// key returns a key that no other check uses.
func (p *probe) key(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, p.prefix+name)
	return p.prefix + name
}

// tidy does what it can; a test's result does not depend on it.
func (p *probe) tidy(ctx context.Context) {
	deleter, ok := p.storage.(s3lect.Deleter)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	for _, key := range p.keys {
		_ = deleter.Delete(ctx, key)
	}
}

// patiently calls fn again, after growing pauses, for as long as the storage asks to slow down.
func (p *probe) patiently(fn func() error) error {
	for pause := time.Second; ; pause *= 2 {
		err := fn()
		if !errors.Is(err, s3lect.ErrStorageThrottled) || pause > 16*time.Second {
			return err
		}
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
			return err
		}
	}
}

func (p *probe) get(key string) (data []byte, etag string, err error) {
	err = p.patiently(func() error {
		data, etag, err = p.storage.Get(p.ctx, key)
		return err
	})
	return data, etag, err
}

func (p *probe) put(key, data, etag string) error {
	return p.patiently(func() error { return p.storage.PutIfMatch(p.ctx, key, []byte(data), etag) })
}

// create makes an object that does not exist yet, and returns its ETag.
func (p *probe) create(key, data string) (etag string, err error) {
	if err := p.put(key, data, ""); err != nil {
		return "", fmt.Errorf("create %q: %w", key, err)
	}
	return p.expect(key, data)
}

// replace writes the next version, and returns its ETag.
func (p *probe) replace(key, data, etag string) (newETag string, err error) {
	if err := p.put(key, data, etag); err != nil {
		return "", fmt.Errorf("replace %q by its current ETag %s: %w", key, etag, err)
	}
	return p.expect(key, data)
}

// expect reads an object that must have certain bytes.
func (p *probe) expect(key, want string) (etag string, err error) {
	data, etag, err := p.get(key)
	switch {
	case err != nil:
		return "", fmt.Errorf("read %q: %w", key, err)
	case !bytes.Equal(data, []byte(want)):
		return "", fmt.Errorf("read %q: got %s, want %s", key, abbreviate(data), abbreviate([]byte(want)))
	case etag == "":
		return "", fmt.Errorf("read %q: the ETag is empty", key)
	}
	return etag, nil
}

// refused demands that a write is refused because of its condition.
func (p *probe) refused(what, key, data, etag string) error {
	err := p.put(key, data, etag)
	switch {
	case err == nil:
		return fmt.Errorf("%s succeeded, although its condition does not hold", what)
	case !errors.Is(err, s3lect.ErrStoragePrecondition):
		return fmt.Errorf("%s: the error is not ErrStoragePrecondition: %w", what, err)
	}
	return nil
}

func (p *probe) absent(key string) error {
	data, _, err := p.get(key)
	switch {
	case err == nil:
		return fmt.Errorf("read %q, which does not exist: got %s and no error", key, abbreviate(data))
	case !errors.Is(err, s3lect.ErrStorageNotFound):
		return fmt.Errorf("read %q, which does not exist: the error is not ErrStorageNotFound: %w", key, err)
	}
	return nil
}

// together calls fn n times at once and returns all errors.
func together(n int, fn func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errors.Join(errs...)
}

func abbreviate(data []byte) string {
	if len(data) > 80 {
		return fmt.Sprintf("%q... (%d bytes)", data[:80], len(data))
	}
	return fmt.Sprintf("%q", data)
}
