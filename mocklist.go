package s3lect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
)

// List implements [Lister]. Directories that symbolic links lead to are left out.
func (m *MockStorage) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := m.list(ctx, prefix, func(key string) bool { return yield(key, nil) }); err != nil {
			yield("", fmt.Errorf("list objects %q in directory %s: %w", prefix, m.dir, err))
		}
	}
}

// list calls found for each key until that returns false, and then returns nil.
func (m *MockStorage) list(ctx context.Context, prefix string, found func(key string) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := m.open()
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		gone := errors.Is(err, fs.ErrNotExist) // meanwhile
		if gone {
			err = nil
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case gone || name == ".":
		case entry.IsDir() && (!isKey(name) || !related(name+"/", prefix)):
			return fs.SkipDir
		case entry.Type().IsRegular() && isKey(name) && strings.HasPrefix(name, prefix) && !found(name):
			return fs.SkipAll
		}
		return nil
	})
}

func isKey(name string) bool {
	_, err := objectFile(name)
	return err == nil
}

// related reports whether keys below a directory can begin with a prefix.
func related(dir, prefix string) bool {
	return strings.HasPrefix(dir, prefix) || strings.HasPrefix(prefix, dir)
}
