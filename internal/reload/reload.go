// Package reload makes values from files, such as certificates, and makes them again when the files
// have changed.
package reload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is the time between two looks at the same files.
const Interval = time.Second

const maxFile = 1 << 20 // bytes

// Loader is what values are made with.
type Loader struct {
	Log *slog.Logger
	Now func() time.Time
}

// Source is where a value comes from.
type Source[T any] struct {
	// Names are of the files; without any the value never changes.
	Names []string
	// Format says what the files must be, for people: "a file in PEM format".
	Format string
	// Parse makes the value of what the files hold.
	Parse func(contents [][]byte) (T, error)
	// Inspect, unless it is nil, looks at the present value, at most once per Interval, one call at a
	// time.
	Inspect func(value T, now time.Time)
}

// Value is made from files, and made again when they hold something else. What the files hold is
// compared, not their times: so it does not matter whether they are written in place, renamed, or
// behind a symbolic link that is swapped, nor how coarse the clock of the file system is.
type Value[T any] struct {
	loader Loader
	source Source[T]

	value atomic.Pointer[T]

	// looking is held by whoever looks at the files. Nobody waits for it, so that a file system that
	// hangs holds up one caller and not all of them. It guards what follows.
	looking sync.Mutex
	looked  time.Time
	seen    [sha256.Size]byte // what the files held when they were last looked at
}

// Load makes the first value.
func Load[T any](loader Loader, source Source[T]) (*Value[T], error) {
	contents, seen, err := source.read()
	if err != nil {
		return nil, err
	}
	value, err := source.Parse(contents)
	if err != nil {
		return nil, err
	}
	v := &Value[T]{loader: loader, source: source, looked: loader.Now(), seen: seen}
	v.value.Store(&value)
	v.inspect()
	return v, nil
}

// Get returns the present value. While the files hold something broken, that is the value before. It
// is safe for concurrent use.
func (v *Value[T]) Get() T {
	if v.looking.TryLock() {
		v.look()
		v.looking.Unlock()
	}
	return *v.value.Load()
}

func (v *Value[T]) look() {
	now := v.loader.Now()
	if passed := now.Sub(v.looked); passed >= 0 && passed < Interval {
		return
	}
	v.looked = now
	if len(v.source.Names) > 0 {
		v.reload()
	}
	v.inspect()
}

func (v *Value[T]) inspect() {
	if v.source.Inspect != nil {
		v.source.Inspect(*v.value.Load(), v.looked)
	}
}

func (v *Value[T]) reload() {
	contents, seen, err := v.source.read()
	if seen == v.seen {
		return
	}
	v.seen = seen
	if err == nil {
		var value T
		if value, err = v.source.Parse(contents); err == nil {
			v.value.Store(&value)
			v.loader.Log.Info("loaded changed files", "files", v.source.Names)
			return
		}
	}
	v.loader.Log.Warn("cannot use the changed files; what was loaded before stays in use", "files", v.source.Names, "error", err)
}

// read returns what the files hold, and a digest of it or of the error.
func (s *Source[T]) read() (contents [][]byte, digest [sha256.Size]byte, err error) {
	hash := sha256.New()
	for _, name := range s.Names {
		data, err := readFile(name)
		if err != nil {
			err = fmt.Errorf("%w; name %s that this process may read", err, s.Format)
			return nil, sha256.Sum256([]byte(err.Error())), err
		}
		fmt.Fprintf(hash, "%d ", len(data))
		hash.Write(data)
		contents = append(contents, data)
	}
	return contents, [sha256.Size]byte(hash.Sum(nil)), nil
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe could hang, and it could not be read again
		return nil, fmt.Errorf("%q is not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("%q has more than %d bytes, so it is something else", name, maxFile)
	}
	return data, nil
}

func unreadable(name string, err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err // the name is told already
	}
	return fmt.Errorf("cannot read %q: %w", name, err)
}
