package storagetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect"
)

func missingObject(p *probe) error {
	key := p.key("missing")
	if err := p.absent(key); err != nil {
		return err
	}
	return p.absent(key) // reading does not create
}

func createIfAbsent(p *probe) error {
	_, err := p.create(p.key("new"), "first")
	return err
}

func createTwice(p *probe) error {
	key := p.key("twice")
	etag, err := p.create(key, "first")
	if err != nil {
		return err
	}
	for _, data := range []string{"second", "first"} {
		if err := p.refused("a second create", key, data, ""); err != nil {
			return err
		}
	}
	after, err := p.expect(key, "first")
	if err == nil && after != etag {
		return wrongResult("ETag after a write that was refused", after, etag)
	}
	return err
}

func replaceCurrent(p *probe) error {
	key := p.key("replaced")
	etag, err := p.create(key, "version 0")
	for i := 1; i <= 5 && err == nil; i++ {
		etag, err = p.replace(key, fmt.Sprintf("version %d", i), etag)
	}
	return err
}

func replaceStale(p *probe) error {
	key := p.key("stale")
	first, err := p.create(key, "first")
	if err != nil {
		return err
	}
	if _, err := p.replace(key, "second", first); err != nil {
		return err
	}
	if err := p.refused("a write with a stale ETag", key, "third", first); err != nil {
		return err
	}
	foreign, err := p.create(p.key("foreign"), "another object")
	if err != nil {
		return err
	}
	if err := p.refused("a write with the ETag of another object", key, "third", foreign); err != nil {
		return err
	}
	_, err = p.expect(key, "second")
	return err
}

func replaceMissing(p *probe) error {
	etag, err := p.create(p.key("present"), "another object")
	if err != nil {
		return err
	}
	key := p.key("absent")
	if err := p.refused("a replace of an object that does not exist", key, "data", etag); err != nil {
		return err
	}
	return p.absent(key)
}

func etagChanges(p *probe) error {
	key := p.key("etags")
	etag, err := p.create(key, "version 0")
	seen := map[string]string{}
	for i := 1; err == nil && i <= 20; i++ {
		data := fmt.Sprintf("version %d", i)
		if etag, err = p.replace(key, data, etag); err != nil {
			return err
		}
		if other, reused := seen[etag]; reused {
			return fmt.Errorf("the ETag %s of %q was that of %q before", etag, data, other)
		}
		seen[etag] = data
	}
	return err
}

// equalBytes allows both that an ETag names the bytes, as it does on S3, and that it names the
// write.
func equalBytes(p *probe) error {
	key := p.key("equal")
	first, err := p.create(key, "same")
	if err != nil {
		return err
	}
	second, err := p.replace(key, "same", first)
	if err != nil {
		return err
	}
	if second != first {
		if err := p.refused("a write with the ETag of an earlier version with the same bytes", key, "other", first); err != nil {
			return err
		}
	}
	_, err = p.replace(key, "other", second)
	return err
}

func readAfterWrite(p *probe) error {
	key := p.key("read-after-write")
	etag, err := p.create(key, "version 0")
	for i := 1; i <= 50 && err == nil; i++ {
		etag, err = p.replace(key, fmt.Sprintf("version %d", i), etag)
	}
	return err
}

func etagPutter(p *probe) error {
	putter, ok := p.storage.(s3lect.ETagPutter)
	if !ok {
		return fmt.Errorf("the storage is no ETagPutter: %w", errSkipped)
	}
	key, etag := p.key("etag-putter"), ""
	for i := range 10 {
		data := fmt.Sprintf("version %d", i)
		var reported string
		err := p.patiently(func() (err error) {
			reported, err = putter.PutIfMatchETag(p.ctx, key, []byte(data), etag)
			return err
		})
		if err != nil {
			return fmt.Errorf("PutIfMatchETag: %w", err)
		}
		stale := etag
		if etag, err = p.expect(key, data); err != nil {
			return err
		}
		if reported != "" && reported != etag {
			return wrongResult("the ETag that PutIfMatchETag reported", reported, etag)
		}
		reported, err = putter.PutIfMatchETag(p.ctx, key, []byte("stale"), stale)
		if !errors.Is(err, s3lect.ErrStoragePrecondition) || reported != "" {
			return fmt.Errorf("PutIfMatchETag with a stale ETag: got the ETag %q, want ErrStoragePrecondition alone, got error %w", reported, orNone(err))
		}
	}
	return nil
}

var errLost = errors.New("the reply was lost")

// forgetful commits writes and loses the replies.
type forgetful struct{ s3lect.Storage }

func (f forgetful) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	return errors.Join(errLost, f.Storage.PutIfMatch(ctx, key, data, etag))
}

func lostReply(p *probe) error {
	key := p.key("lost-reply")
	first, err := p.create(key, "first")
	if err != nil {
		return err
	}
	inner := p.storage
	p.storage = forgetful{inner}
	err = p.put(key, "second", first)
	p.storage = inner
	if err.Error() != errLost.Error() {
		return fmt.Errorf("replace: %w", err)
	}
	if err := p.refused("the same write again", key, "second", first); err != nil {
		return err
	}
	second, err := p.expect(key, "second")
	if err != nil {
		return err
	}
	_, err = p.replace(key, "third", second)
	return err
}
