package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/raftd"
)

// terminal is the command with buffers in the place of a terminal, and without nodes.
type terminal struct {
	*App
	t        *testing.T
	env      map[string]string
	signals  chan os.Signal
	aborted  chan int
	out, err buffer
	ran      []raftd.Options // what Run was given
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	term := &terminal{t: t, env: map[string]string{}, signals: make(chan os.Signal, 4), aborted: make(chan int, 4)}
	term.App = &App{
		Stdout: &term.out, Stderr: &term.err,
		LookupEnv: func(name string) (string, bool) { value, ok := term.env[name]; return value, ok },
		Run: func(_ context.Context, o raftd.Options) error {
			term.ran = append(term.ran, o)
			return nil
		},
		Signals: term.signals,
		Abort:   func(code int) { term.aborted <- code },
	}
	return term
}

// run runs the command and returns what it has printed.
func (term *terminal) run(args ...string) (code int, stdout, stderr string) {
	term.t.Helper()
	term.out.reset()
	term.err.reset()
	code = term.Main(args)
	return code, term.out.String(), term.err.String()
}

// options runs a node with these flags and returns what it was given.
func (term *terminal) options(args ...string) raftd.Options {
	term.t.Helper()
	term.ran = nil
	code, _, stderr := term.run(append([]string{"run"}, args...)...)
	require.Zero(term.t, code, stderr)
	require.Len(term.t, term.ran, 1)
	return term.ran[0]
}

// refused runs a command that is called in a wrong way, and returns what it says.
func (term *terminal) refused(args ...string) string {
	term.t.Helper()
	code, stdout, stderr := term.run(args...)
	require.Equal(term.t, exitUsage, code, stderr)
	require.Empty(term.t, stdout)
	require.Empty(term.t, term.ran, "nothing is to be started")
	return stderr
}

// buffer can be written to by several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func writeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (b *buffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// runs is a node that ends with an error.
func runs(err error) func(context.Context, raftd.Options) error {
	return func(context.Context, raftd.Options) error { return err }
}
