package raftd

import (
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
)

// watched is what is made of files, and made again when they have changed.
type watched[T any] struct {
	what    string // for the log
	files   []string
	read    func() (T, error)
	log     *slog.Logger
	current atomic.Pointer[edition[T]]
}

// edition is what was made of the files as they were at some time.
type edition[T any] struct {
	value  T
	states []os.FileInfo // of the files; nil for one that is not there
}

// watch reads the files for the first time.
func watch[T any](what string, files []string, log *slog.Logger, read func() (T, error)) (*watched[T], error) {
	w := &watched[T]{what: what, files: files, read: read, log: log}
	states := w.states()
	value, err := read()
	if err != nil {
		return nil, err
	}
	w.current.Store(&edition[T]{value, states})
	return w, nil
}

// get returns what the files say. While they cannot be used, it is what they said before.
func (w *watched[T]) get() T {
	had := w.current.Load()
	states := w.states() // before they are read: what is written meanwhile is read again the next time
	if slices.EqualFunc(states, had.states, same) {
		return had.value
	}
	value, err := w.read()
	if err != nil {
		value = had.value
	}
	switch {
	case !w.current.CompareAndSwap(had, &edition[T]{value, states}): // somebody else has, and says so
	case err != nil:
		w.log.Error("files cannot be loaded again, what they said before is still in force", "what", w.what, "error", err)
	default:
		w.log.Info("files have been loaded again", "what", w.what, "files", w.files)
	}
	return value
}

func (w *watched[T]) states() []os.FileInfo {
	states := make([]os.FileInfo, len(w.files))
	for i, file := range w.files {
		states[i], _ = os.Stat(file) // nil after an error
	}
	return states
}

// same says whether a file is what it was. One that was put in its place is another one, though it may have the same size, as
// tokens have, and the same time, as copies can have.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
