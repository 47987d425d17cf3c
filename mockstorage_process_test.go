package s3lect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests start the test binary again, as processes that share a directory.
const (
	childRole = "S3LECT_TEST_CHILD"
	childDir  = "S3LECT_TEST_DIR"

	processes = 4
	counts    = 50 // of each process
)

// TestChildProcess is what the other processes run.
func TestChildProcess(t *testing.T) {
	role := os.Getenv(childRole)
	if role == "" {
		t.Skip("is run by other tests, in processes of their own")
	}
	m, err := NewMockStorage(os.Getenv(childDir))
	require.NoError(t, err)
	fmt.Println("ready")
	_, err = io.ReadFull(os.Stdin, make([]byte, 1)) // all start together
	require.NoError(t, err)
	switch role {
	case "count":
		for range counts {
			require.NoError(t, increment(t.Context(), m, "counter"))
		}
	case "create":
		for round := range counts {
			err := m.PutIfMatch(t.Context(), fmt.Sprint("round-", round), fmt.Append(nil, os.Getpid()), "")
			if err == nil {
				fmt.Println("won", round)
			} else {
				require.ErrorIs(t, err, ErrStoragePrecondition)
			}
		}
	case "write":
		for {
			require.NoError(t, increment(t.Context(), m, "counter"))
		}
	case "hold":
		root, err := os.OpenRoot(m.dir)
		require.NoError(t, err)
		_, err = writeTemp(root, []byte("unfinished"))
		require.NoError(t, err)
		_, err = lockStore(t.Context(), root)
		require.NoError(t, err)
		fmt.Println("holding")
		select {}
	}
}

// increment adds one to a number by compare-and-swap, trying again until it has.
func increment(ctx context.Context, s Storage, key string) error {
	for {
		n := 0
		data, etag, err := s.Get(ctx, key)
		if err == nil {
			err = json.Unmarshal(data, &n)
		}
		if err != nil && !errors.Is(err, ErrStorageNotFound) {
			return err
		}
		err = s.PutIfMatch(ctx, key, fmt.Append(nil, n+1), etag)
		if !errors.Is(err, ErrStoragePrecondition) {
			return err
		}
	}
}

type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t *testing.T, dir, role string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{Cmd: cmd, in: in, out: bufio.NewScanner(out)}
	require.True(t, c.out.Scan(), "no sign of life from the child process")
	require.Equal(t, "ready", c.out.Text())
	return c
}

func startChildren(t *testing.T, dir, role string) []*child {
	t.Helper()
	var children []*child
	for range processes {
		children = append(children, startChild(t, dir, role))
	}
	for _, c := range children {
		c.goOn(t)
	}
	return children
}

func (c *child) goOn(t *testing.T) {
	t.Helper()
	_, err := c.in.Write([]byte("!"))
	require.NoError(t, err)
}

func TestACounterRacedByProcessesIsExact(t *testing.T) {
	dir := t.TempDir()
	for _, c := range startChildren(t, dir, "count") {
		require.NoError(t, drain(c), "child process")
	}
	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	data, _, err := m.Get(t.Context(), "counter")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(processes*counts), string(data))
	assert.Len(t, workFiles(t, dir), 1, "the lock, and nothing unfinished")
}

func drain(c *child) error {
	for c.out.Scan() {
	}
	return c.Wait()
}

func TestOfProcessesThatRaceToCreateOneWins(t *testing.T) {
	winners := map[string]int{}
	for _, c := range startChildren(t, t.TempDir(), "create") {
		for c.out.Scan() {
			if round, won := strings.CutPrefix(c.out.Text(), "won "); won {
				winners[round]++
			}
		}
		require.NoError(t, c.Wait(), "child process")
	}
	assert.Len(t, winners, counts, "rounds with a winner")
	for round, n := range winners {
		assert.Equal(t, 1, n, "winners of round %s", round)
	}
}

func TestAKilledWriterLeavesAUsableStore(t *testing.T) {
	dir := t.TempDir()
	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	before := 0
	for range 10 {
		c := startChild(t, dir, "write")
		c.goOn(t)
		awaitCount(t, m, before+1+rand.N(20))
		require.NoError(t, c.Process.Kill())
		assert.Error(t, drain(c), "a killed process")

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		require.NoError(t, increment(ctx, m, "counter"), "a write after the kill")
		data, etag, err := m.Get(ctx, "counter")
		cancel()
		require.NoError(t, err)
		assert.Equal(t, contentETag(data), etag)
		var after int
		require.NoError(t, json.Unmarshal(data, &after), "a part of an object: %q", data)
		assert.Greater(t, after, before)
		before = after
	}
}

func awaitCount(t *testing.T, m *MockStorage, least int) {
	t.Helper()
	for {
		data, _, err := m.Get(t.Context(), "counter")
		if err == nil {
			var n int
			require.NoError(t, json.Unmarshal(data, &n))
			if n >= least {
				return
			}
			continue
		}
		require.ErrorIs(t, err, ErrStorageNotFound)
	}
}

func TestALockDiesWithItsHolder(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir, "hold")
	c.goOn(t)
	require.True(t, c.out.Scan())
	require.Equal(t, "holding", c.out.Text())

	m, err := NewMockStorage(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, m.PutIfMatch(ctx, "leader.json", nil, ""), context.DeadlineExceeded)

	require.NoError(t, c.Process.Kill())
	assert.Error(t, drain(c), "a killed process")
	require.NoError(t, m.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
	data, _, err := m.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, "x", string(data), "the unfinished write of the killed process does no harm")
}
