package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-6dc909bb/s3lect"
)

const largest = 64 << 10 // bytes that every storage must hold

func emptyObject(p *probe) error {
	key := p.key("empty")
	etag, err := p.create(key, "")
	if err != nil {
		return err
	}
	if err := p.refused("a create over an empty object", key, "data", ""); err != nil {
		return err
	}
	if etag, err = p.replace(key, "data", etag); err != nil {
		return err
	}
	_, err = p.replace(key, "", etag)
	return err
}

func anyBytes(p *probe) error {
	var all []byte
	for i := range largest {
		all = append(all, byte(i), byte(i>>8))
	}
	for i, data := range [][]byte{
		all[:largest],
		bytes.Repeat([]byte{0}, largest),
		[]byte("\r\n line ends \r\n\n"),
		[]byte("\xff\xfe is no UTF-8"),
		[]byte(`{"json": "ünïcödé <&>"}`),
	} {
		if _, err := p.create(p.key(fmt.Sprintf("bytes-%d", i)), string(data)); err != nil {
			return err
		}
	}
	return nil
}

func unsharedBytes(p *probe) error {
	key, given := p.key("unshared"), []byte("data")
	err := p.patiently(func() error { return p.storage.PutIfMatch(p.ctx, key, given, "") })
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	copy(given, "XXXX")
	got, _, err := p.get(key)
	if err != nil {
		return err
	}
	copy(got, "YYYY")
	_, err = p.expect(key, "data")
	return err
}

// plainKeys must be held; any of oddNames may be refused, but never mistaken for another. Keys that
// differ in case alone are left out: some local file systems cannot tell them apart.
var (
	plainKeys = []string{"plain", "with.dot-dash_underscore", "directory/leader.json", "a/b/c/d", "0"}
	oddNames  = []string{
		"space in it", "space%20in%20it", "space+in+it", " leading", "trailing ", "dir%2Fescaped", "dir/escaped",
		"question?mark=1&x=2", "number#sign", "colon:colon", "semi;colon", "quote'\"quote", `back\slash`, "back/slash",
		"star*", "tilde~", "pipe|", "<angle>", "{brace}", "^caret`", "at@sign", "dollar$", "comma,", "equals=",
		"ümläut", "日本語", "🗳", "tab\ttab", "%", "%00", "%zz", "~", "-", "--help", "new\nline", "null\x00byte",
		"dir", "dir/", "dir//escaped", "dir/./escaped", "dir/../dir/escaped", "dots..", "..dots", "...", ".hidden",
		"plain/below", "con", "nul.txt", "bad\xffutf8", strings.Repeat("long", 60),
	}
)

func oddKeys(p *probe) error {
	var keys []string
	for _, name := range plainKeys {
		key := p.key(name)
		if _, err := p.create(key, "object of "+key); err != nil {
			return err
		}
		keys = append(keys, key)
	}
	for _, name := range oddNames {
		key := p.key(name)
		switch err := p.put(key, "object of "+key, ""); {
		case err == nil:
			keys = append(keys, key)
		case errors.Is(err, s3lect.ErrStoragePrecondition):
			return fmt.Errorf("create %q, which does not exist yet: the key is taken for another: %w", key, err)
		case p.ctx.Err() != nil:
			return err
		default:
			if data, _, err := p.get(key); err == nil {
				return fmt.Errorf("read %q, which was refused: got %s", key, abbreviate(data))
			}
		}
	}
	for _, key := range keys {
		if _, err := p.expect(key, "object of "+key); err != nil {
			return err
		}
	}
	return nil
}
