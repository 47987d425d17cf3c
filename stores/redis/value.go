package redis

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/seed-6dc909bb/s3lect"
)

// A value is magic, version, line end, and the object's bytes. The scripts know these lengths.
const (
	magic       = "s3lect1:"
	versionSize = 26 // of rand.Text, at least 128 random bits
	headerSize  = len(magic) + versionSize + 1

	maxObjectSize = 1 << 20 // bytes, as on the other storages
	// maxRead is how much of a value is read at most, one byte more than any of ours has.
	maxRead = headerSize + maxObjectSize + 1
)

var errForeign = fmt.Errorf("%w: another program has written the value, which is left as it is; choose another prefix or database, or remove it by hand if it is nobody's", s3lect.ErrStorageForeign)

func header(version string) string { return magic + version + "\n" }

func encode(version string, data []byte) ([]byte, error) {
	if len(data) > maxObjectSize {
		return nil, fmt.Errorf("%d bytes are too many: a leader record has at most 64 KiB, and this storage takes at most %d bytes", len(data), maxObjectSize)
	}
	value := make([]byte, 0, headerSize+len(data))
	value = append(value, header(version)...)
	return append(value, data...), nil // a copy, so that the caller may reuse its bytes at once
}

func decode(value string) (data []byte, version string, err error) {
	if len(value) < headerSize || !strings.HasPrefix(value, magic) || value[headerSize-1] != '\n' {
		return nil, "", errForeign
	}
	return []byte(value[headerSize:]), value[len(magic) : headerSize-1], nil
}

// checkKey refuses keys that the other storages refuse: a key is to mean the same on each.
func checkKey(key string) error {
	if !fs.ValidPath(key) || key == "." {
		return fmt.Errorf("key %q must be a slash-separated path in UTF-8, not empty, without a slash at either end, and without empty, \".\" or \"..\" segments: %w", key, s3lect.ErrStorageKey)
	}
	return nil
}
