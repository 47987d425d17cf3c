// Package transcript collects what examples print, for their tests.
package transcript

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// T is an io.Writer that can be waited on. All methods are safe for concurrent use.
type T struct {
	mu      sync.Mutex
	text    strings.Builder
	written chan struct{} // closed and replaced at each write
}

// New returns an empty transcript.
func New() *T { return &T{written: make(chan struct{})} }

// Write implements io.Writer.
func (t *T) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.written)
	t.written = make(chan struct{})
	return t.text.Write(p)
}

// String returns what was written so far.
func (t *T) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// Await returns once the text contains want. The error, when ctx ends before, shows the text.
func (t *T) Await(ctx context.Context, want string) error {
	for {
		t.mu.Lock()
		text, written := t.text.String(), t.written
		t.mu.Unlock()
		if strings.Contains(text, want) {
			return nil
		}
		select {
		case <-written:
		case <-ctx.Done():
			return fmt.Errorf("wait for %q: %w; there is: %s", want, ctx.Err(), text)
		}
	}
}
