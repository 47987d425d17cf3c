package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// Creator, Lister and Deleter are optional. A storage that has one keeps to what it promises.

func (p *probe) deleter() (s3lect.Deleter, error) {
	d, ok := p.storage.(s3lect.Deleter)
	if !ok {
		return nil, fmt.Errorf("the storage is no Deleter: %w", errSkipped)
	}
	return d, nil
}

func (p *probe) remove(d s3lect.Deleter, key string) error {
	if err := p.patiently(func() error { return d.Delete(p.ctx, key) }); err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

func deleted(p *probe) error {
	d, err := p.deleter()
	if err != nil {
		return err
	}
	key, other := p.key("deleted"), p.key("deleted-not")
	if _, err := p.create(other, "kept"); err != nil {
		return err
	}
	etag, err := p.create(key, "first")
	if err != nil {
		return err
	}
	if _, err := p.replace(key, "second", etag); err != nil {
		return err
	}
	for range 2 { // there need not be one
		if err := p.remove(d, key); err != nil {
			return err
		}
		if err := p.absent(key); err != nil {
			return fmt.Errorf("after a Delete: %w", err)
		}
	}
	if err := p.refused("a replace of a deleted object", key, "third", etag); err != nil {
		return err
	}
	if _, err := p.create(key, "third"); err != nil {
		return err
	}
	_, err = p.expect(other, "kept")
	return err
}

func (p *probe) lister() (s3lect.Lister, error) {
	l, ok := p.storage.(s3lect.Lister)
	if !ok {
		return nil, fmt.Errorf("the storage is no Lister: %w", errSkipped)
	}
	return l, nil
}

// listed returns the keys that begin with a prefix. All must, but each may come several times.
func (p *probe) listed(l s3lect.Lister, prefix string) (map[string]bool, error) {
	keys := map[string]bool{}
	err := p.patiently(func() error {
		clear(keys)
		for key, err := range l.List(p.ctx, prefix) {
			if err != nil {
				return fmt.Errorf("list %q: %w", prefix, err)
			}
			if !strings.HasPrefix(key, prefix) {
				return fmt.Errorf("list %q: got the key %q, which does not begin so", prefix, key)
			}
			keys[key] = true
		}
		return nil
	})
	return keys, err
}

func (p *probe) expectListed(l s3lect.Lister, prefix string, want ...string) error {
	keys, err := p.listed(l, prefix)
	if err != nil {
		return err
	}
	for _, key := range want {
		if !keys[key] {
			return fmt.Errorf("list %q: the key %q is missing", prefix, key)
		}
		delete(keys, key)
	}
	for key := range keys {
		return fmt.Errorf("list %q: got the key %q, under which there is no object", prefix, key)
	}
	return nil
}

func list(p *probe) error {
	l, err := p.lister()
	if err != nil {
		return err
	}
	dir := p.prefix
	if err := p.expectListed(l, dir); err != nil {
		return err
	}
	var all, tens []string
	for i := range 25 {
		key := p.key(fmt.Sprintf("list/%02d.json", i))
		if _, err := p.create(key, "data"); err != nil {
			return err
		}
		all = append(all, key)
		if i/10 == 1 {
			tens = append(tens, key)
		}
	}
	deep, beside := p.key("list/1/deep.json"), p.key("list.json")
	for _, key := range []string{deep, beside} {
		if _, err := p.create(key, "data"); err != nil {
			return err
		}
	}
	all, tens = append(all, deep), append(tens, deep)
	for prefix, want := range map[string][]string{
		dir:                append(all, beside),
		dir + "list":       append(all, beside),
		dir + "list/":      all,
		dir + "list/1":     tens, // a prefix is one of the key, not of its segments
		deep:               {deep},
		deep + "/":         nil,
		dir + "nothing/":   nil,
		dir + "list/*":     nil, // what means something to a server or a shell means nothing here
		dir + "list/??":    nil,
		dir + "list/[0-9]": nil,
		dir + `list/\0`:    nil,
	} {
		if err := p.expectListed(l, prefix, want...); err != nil {
			return err
		}
	}
	for key, err := range l.List(p.ctx, dir) {
		if err != nil || key == "" {
			return fmt.Errorf("list %q: got the key %q, error %w", dir, key, orNone(err))
		}
		break // which an iterator has to obey
	}
	d, err := p.deleter()
	if err != nil {
		return nil // nothing can be deleted, and so all is well
	}
	if err := p.remove(d, deep); err != nil {
		return err
	}
	return p.expectListed(l, dir+"list/1", tens[:len(tens)-1]...)
}

func (p *probe) creator() (s3lect.Creator, error) {
	c, ok := p.storage.(s3lect.Creator)
	if !ok {
		return nil, fmt.Errorf("the storage is no Creator: %w", errSkipped)
	}
	return c, nil
}

func (p *probe) getOrCreate(c s3lect.Creator, key, data string, ttl time.Duration) (current string, created bool, err error) {
	err = p.patiently(func() error {
		bytes, isCreated, err := c.GetOrCreate(p.ctx, key, []byte(data), ttl)
		current, created = string(bytes), isCreated
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("GetOrCreate %q: %w", key, err)
	}
	return current, created, nil
}

// creates demands that GetOrCreate creates, or that it finds what is there.
func (p *probe) creates(c s3lect.Creator, want bool, key, data, current string, ttl time.Duration) error {
	got, created, err := p.getOrCreate(c, key, data, ttl)
	switch {
	case err != nil:
		return err
	case created != want:
		return wrongResult("whether GetOrCreate has created", created, want)
	case got != current:
		return wrongResult("bytes from GetOrCreate", abbreviate([]byte(got)), abbreviate([]byte(current)))
	}
	return nil
}

func createsOnce(p *probe) error {
	c, err := p.creator()
	if err != nil {
		return err
	}
	for name, data := range map[string]string{"once": "first", "once-empty": "", "once-large": strings.Repeat("\x00\n", largest/2)} {
		key := p.key(name)
		if err := p.creates(c, true, key, data, data, 0); err != nil {
			return err
		}
		for _, other := range []string{"second", data} {
			if err := p.creates(c, false, key, other, data, time.Hour); err != nil {
				return err
			}
		}
		etag, err := p.expect(key, data)
		if err != nil {
			return err
		}
		if err := p.refused("a create over what GetOrCreate made", key, "third", ""); err != nil {
			return err
		}
		if _, err := p.replace(key, "third", etag); err != nil {
			return err
		}
		if err := p.creates(c, false, key, "fourth", "third", 0); err != nil {
			return err
		}
	}
	return nil
}

// raceToGetOrCreate has half of the racers use the other way to create.
func raceToGetOrCreate(p *probe) error {
	c, err := p.creator()
	if err != nil {
		return err
	}
	for round := range raceRounds {
		if err := p.creatorRace(c, p.key(fmt.Sprintf("get-or-create-%d", round))); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func (p *probe) creatorRace(c s3lect.Creator, key string) error {
	var mu sync.Mutex
	var winners []string
	seen := map[string]bool{}
	unknown := false
	err := together(racers, func(i int) error {
		data := fmt.Sprintf("racer %d", i)
		if i%2 == 0 {
			current, created, err := c.GetOrCreate(p.ctx, key, []byte(data), time.Hour)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				unknown = true
			case created:
				winners = append(winners, data)
			}
			if err == nil {
				seen[string(current)] = true
			}
			return p.ctx.Err()
		}
		err := p.storage.PutIfMatch(p.ctx, key, []byte(data), "")
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			winners = append(winners, data)
		case !errors.Is(err, s3lect.ErrStoragePrecondition):
			unknown = true
		}
		return p.ctx.Err()
	})
	if err != nil {
		return err
	}
	data, _, err := p.get(key)
	if err != nil {
		return fmt.Errorf("read after the race: %w", err)
	}
	seen[string(data)] = true
	switch {
	case len(winners) > 1:
		return fmt.Errorf("%d of %d racers were told that they had created the object", len(winners), racers)
	case len(seen) > 1:
		return fmt.Errorf("the racers were told of %d different objects", len(seen))
	case len(winners) == 1 && string(data) != winners[0]:
		return fmt.Errorf("one racer was told that it had won with %q, but the object is %s", winners[0], abbreviate(data))
	case len(winners) == 0 && !unknown:
		return errors.New("all racers were told that they had lost")
	}
	return nil
}

const (
	shortTTL   = time.Second
	expiryWait = 5 * time.Second
	expiryPoll = 50 * time.Millisecond
)

// expiry creates objects with and without a time to live, replaces one of them, and waits.
func expiry(p *probe) error {
	c, err := p.creator()
	if err != nil {
		return err
	}
	start := time.Now()
	short, replaced := p.key("expires"), p.key("expires-replaced")
	forever, long := p.key("expires-never"), p.key("expires-later")
	plain, changed := p.key("expires-not"), p.key("expires-never-replaced")
	if _, err := p.create(plain, "data"); err != nil {
		return err
	}
	if err := p.creates(c, false, plain, "other", "data", shortTTL); err != nil {
		return err // and this must not have given it a time to live
	}
	for key, ttl := range map[string]time.Duration{short: shortTTL, replaced: shortTTL, forever: 0, changed: 0, long: time.Hour} {
		if err := p.creates(c, true, key, "data", "data", ttl); err != nil {
			return err
		}
	}
	for _, key := range []string{replaced, changed, long} {
		_, etag, err := p.get(key)
		if err == nil {
			err = p.put(key, "data, replaced", etag)
		}
		if err != nil && (key != replaced || time.Since(start) < shortTTL) { // else it may have expired
			return fmt.Errorf("replace %q, which expires: %w", key, err)
		}
	}
	for _, key := range []string{short, replaced} {
		if err := p.awaitExpiry(key); err != nil {
			return err
		}
		if elapsed := time.Since(start); elapsed < shortTTL {
			return fmt.Errorf("%q with a time to live of %v was gone after %v", key, shortTTL, elapsed)
		}
	}
	for key, data := range map[string]string{forever: "data", plain: "data", changed: "data, replaced", long: "data, replaced"} {
		if _, err := p.expect(key, data); err != nil {
			return fmt.Errorf("it should not have expired: %w", err)
		}
	}
	return p.creates(c, true, short, "again", "again", time.Hour)
}

func (p *probe) awaitExpiry(key string) error {
	for start := time.Now(); ; {
		_, _, err := p.get(key)
		if errors.Is(err, s3lect.ErrStorageNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Since(start) > expiryWait {
			return fmt.Errorf("%q with a time to live of %v is still there after %v", key, shortTTL, expiryWait)
		}
		select {
		case <-time.After(expiryPoll):
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

// cancelledCapability is cancelledContext for the optional capabilities.
func cancelledCapability(p *probe) error {
	key, never := p.key("cancelled"), p.key("never")
	if _, err := p.create(key, "data"); err != nil {
		return err
	}
	calls := map[string]func(ctx context.Context) error{}
	if d, ok := p.storage.(s3lect.Deleter); ok {
		calls["Delete"] = func(ctx context.Context) error { return d.Delete(ctx, key) }
	}
	if l, ok := p.storage.(s3lect.Lister); ok {
		calls["List"] = func(ctx context.Context) error {
			for _, err := range l.List(ctx, p.prefix) {
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	if c, ok := p.storage.(s3lect.Creator); ok {
		calls["GetOrCreate"] = func(ctx context.Context) error {
			_, _, err := c.GetOrCreate(ctx, never, []byte("x"), time.Hour)
			return err
		}
	}
	if len(calls) == 0 {
		return fmt.Errorf("the storage has no optional capability: %w", errSkipped)
	}
	if err := p.refuseEnded(calls); err != nil {
		return err
	}
	if err := p.absent(never); err != nil {
		return err
	}
	_, err := p.expect(key, "data")
	return err
}
