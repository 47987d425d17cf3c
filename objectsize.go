package s3lect

import (
	"context"
	"fmt"
	"io"
	"io/fs"
)

// maxObjectSize bounds what the storages of this package hold, far above the 64 KiB of a leader
// record. Something larger can only be somebody else's object: of that one byte more is read, so
// that it is seen to be too large without being read to its end.
const maxObjectSize = 1 << 20

// checkKeyPath refuses keys that are no clean paths. A file system, and a server that keeps objects
// as files, would take some of them for others, so that two elections could share an object; and a
// key is to mean the same on every storage.
func checkKeyPath(key string) error {
	if !fs.ValidPath(key) || key == "." {
		return fmt.Errorf("key %q must be a slash-separated path in UTF-8, not empty, without a slash at either end, and without empty, \".\" or \"..\" segments: %w", key, ErrStorageKey)
	}
	return nil
}

func checkObjectSize(data []byte) error {
	if len(data) > maxObjectSize {
		return fmt.Errorf("%d bytes are too many: a leader record has at most 64 KiB, and this storage takes at most %d bytes", len(data), maxObjectSize)
	}
	return nil
}

// readBounded reads an object's bytes, and of one that is too large the first maxObjectSize+1.
func readBounded(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, maxObjectSize+1))
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
