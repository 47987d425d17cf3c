package cli

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/demo"
	"github.com/seed-6dc909bb/s3lect/internal/supervise"
	"github.com/seed-6dc909bb/s3lect/stores"
)

func TestMain(m *testing.M) {
	supervise.GuardMain()
	// A program with the race detector sleeps for a second when it exits, unless told not to.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	if len(os.Args) > 1 && (os.Args[1] == "demo" || os.Args[1] == demo.MemberCommand) { // as the command itself would be
		os.Exit((&App{
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Abort: os.Exit,
		}).Main(os.Args[1:]))
	}
	if len(os.Args) > 2 && os.Args[1] == childArg {
		playRole(os.Args[2], os.Args[3:])
	}
	code := m.Run()
	if err := os.RemoveAll(membersDir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// terminal is the command with files in the place of a terminal.
type terminal struct {
	*App
	t       *testing.T
	env     map[string]string
	signals chan os.Signal
	aborted chan int
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	term := &terminal{t: t, env: map[string]string{}, signals: make(chan os.Signal, 4), aborted: make(chan int, 4)}
	term.App = &App{
		Stdout: file("out"), Stderr: file("err"),
		LookupEnv: func(name string) (string, bool) { value, ok := term.env[name]; return value, ok },
		Environ:   os.Environ(),
		Open:      stores.Open,
		Signals:   term.signals,
		Abort:     func(code int) { term.aborted <- code },
	}
	return term
}

// on makes every storage URL open this storage.
func (term *terminal) on(storage s3lect.Storage) *terminal {
	term.Open = openAlways(storage)
	return term
}

func (term *terminal) run(args ...string) (code int, stdout, stderr string) {
	term.t.Helper()
	code = term.Main(args)
	return code, content(term.t, term.Stdout), content(term.t, term.Stderr)
}

// content is what was written to a file until now.
func content(t *testing.T, f *os.File) string {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	require.NoError(t, err)
	return string(data)
}

// at is how tests name the storage and the key.
var at = []string{"--store", "s3://bucket", "--key", "leader.json"}

func with(command string, args ...string) []string {
	return append(append([]string{command}, at...), args...)
}

// put writes an object in the place of the one that is there.
func put(t *testing.T, storage s3lect.Storage, data string) {
	t.Helper()
	_, etag, err := storage.Get(t.Context(), "leader.json")
	if err != nil {
		require.ErrorIs(t, err, s3lect.ErrStorageNotFound)
	}
	require.NoError(t, storage.PutIfMatch(t.Context(), "leader.json", []byte(data), etag))
}

const (
	heldRecord     = `{"leaderID":"a","leaderAddr":"10.0.0.1:8443","lastUpdated":"2000-01-01T00:00:00Z","term":7,"session":"s","nonce":"n1","leaseMillis":15000}`
	renewedRecord  = `{"leaderID":"a","leaderAddr":"10.0.0.1:8443","lastUpdated":"2000-01-01T00:00:05Z","term":7,"session":"s","nonce":"n2","sequence":2,"leaseMillis":15000}`
	nextRecord     = `{"leaderID":"b","leaderAddr":"10.0.0.2:8443","lastUpdated":"2000-01-01T00:00:30Z","term":8,"session":"t","nonce":"n3","leaseMillis":15000}`
	resignedRecord = `{"leaderID":"a","lastUpdated":"0001-01-01T00:00:00Z","term":7,"session":"s","nonce":"n4","leaseMillis":15000,"successor":"b"}`
	badRecord      = `{"term": 41, "leaderID": 3}`
	lease          = 15 * time.Second
)
