package raftstore_test

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// The variables that tell a process of this test binary to be a child, and which log it is to change.
const (
	childEngine = "RAFTSTORE_CHILD_ENGINE"
	childPlace  = "RAFTSTORE_CHILD_PLACE"
	childSeed   = "RAFTSTORE_CHILD_SEED"
)

// change is a change of the log, as the child does it and the parent follows it.
type change struct {
	Kind     string // "append", "head" or "tail"
	From, To uint64 // entries that are appended or deleted
	Term     uint64
}

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled has a child change a log at random, kills it in mid-change, and looks
// whether the log is what was acknowledged, and what was under way up to some point.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *place) {
		t.Helper()
		if p.name == "memory" {
			t.Skip("nothing in memory outlives its process")
		}
		t.Parallel()
		seed := rand.Int63()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewSource(seed))
		known := &known{}
		for range 6 {
			known.follow(t, p, random)
			s, err := p.open(p.at)
			require.NoError(t, err)
			store := newStore(t, s)
			first, err := store.FirstIndex()
			require.NoError(t, err)
			last, err := store.LastIndex()
			require.NoError(t, err)
			known.settle(t, first, last)
			requireLog(t, store, first, last)
			if last > 0 {
				require.NoError(t, store.Check(t.Context(), listed(first-1)))
			}
			var got raft.Log
			for index := first; index <= last && last > 0; index++ {
				require.NoError(t, store.GetLog(index, &got))
				want := entry(index, known.terms[index])
				require.Equal(t, [2]any{want.Term, string(want.Data)}, [2]any{got.Term, string(got.Data)}, "entry %d", index)
			}
			require.NoError(t, s.Close())
		}
	})
}

// known is what the parent knows of the log.
type known struct {
	first, last uint64
	terms       map[uint64]uint64 // by index
	pending     *change           // begun and not acknowledged
}

// follow starts a child, follows what it does, and kills it at a random moment.
func (k *known) follow(t *testing.T, p *place, random *rand.Rand) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a child reports through a file that this system does not hand on")
	}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	var output strings.Builder
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	child.Env = append(os.Environ(), childEngine+"="+p.name, childPlace+"="+p.at, fmt.Sprintf("%s=%d", childSeed, random.Int63()))
	child.ExtraFiles = []*os.File{write}
	child.Stdout, child.Stderr = &output, &output
	require.NoError(t, child.Start())
	require.NoError(t, write.Close())

	lines := bufio.NewScanner(read)
	for range 1 + random.Intn(80) {
		require.True(t, lines.Scan(), "the child has ended: %s", &output)
		k.note(t, lines.Text())
	}
	require.NoError(t, child.Process.Kill())
	for lines.Scan() {
		k.note(t, lines.Text())
	}
	_ = child.Wait() // the kill is what it says
}

func (k *known) note(t *testing.T, line string) {
	t.Helper()
	if line == "done" {
		k.apply(*k.pending)
		k.pending = nil
		return
	}
	k.pending = &change{}
	_, err := fmt.Sscan(line, &k.pending.Kind, &k.pending.From, &k.pending.To, &k.pending.Term)
	require.NoError(t, err, "%q", line)
}

func (k *known) apply(c change) {
	if k.terms == nil {
		k.terms = map[uint64]uint64{}
	}
	switch c.Kind {
	case "append":
		if c.From != k.last+1 {
			k.first = c.From // a jump
		}
		if k.first == 0 {
			k.first = c.From
		}
		k.last = c.To
		for index := c.From; index <= c.To; index++ {
			k.terms[index] = c.Term
		}
	case "head":
		k.first = c.To + 1
	case "tail":
		k.last = c.From - 1
	}
}

// settle asserts that a log from first to last is what is known, and takes it for what the pending change has come to.
func (k *known) settle(t *testing.T, first, last uint64) {
	t.Helper()
	c := k.pending
	k.pending = nil
	switch {
	case c == nil:
		require.Equal(t, [2]uint64{k.first, k.last}, [2]uint64{first, last})
	case c.Kind == "append" && c.From == k.last+1:
		require.GreaterOrEqual(t, last, k.last)
		require.LessOrEqual(t, last, c.To)
		if k.last > 0 {
			require.Equal(t, k.first, first)
		}
		k.apply(change{"append", c.From, last, c.Term})
		k.first = first
	case c.Kind == "append" && first >= c.From: // a jump that has come to the new entries
		require.Equal(t, c.From, first)
		k.apply(change{"append", c.From, last, c.Term})
	case c.Kind == "append" && last == 0: // one that has come as far as deleting everything
		*k = known{}
	case c.Kind == "append": // one that has not
		require.GreaterOrEqual(t, first, k.first)
		require.Equal(t, k.last, last)
		k.first = first
	case c.Kind == "head":
		require.GreaterOrEqual(t, first, k.first)
		require.LessOrEqual(t, first, c.To+1)
		require.Equal(t, k.last, last)
		k.first = first
	case c.Kind == "tail":
		require.Equal(t, k.first, first)
		require.GreaterOrEqual(t, last, c.From-1)
		require.LessOrEqual(t, last, k.last)
		k.last = last
	}
}

// TestChild changes a log until its process is killed, and says what it does before and after.
func TestChild(t *testing.T) {
	name := os.Getenv(childEngine)
	if name == "" {
		t.Skip("this process is no child")
	}
	var seed int64
	_, err := fmt.Sscan(os.Getenv(childSeed), &seed)
	require.NoError(t, err)
	random := rand.New(rand.NewSource(seed))
	reports := os.NewFile(3, "reports")
	s, err := engines[name].open(os.Getenv(childPlace))
	require.NoError(t, err)
	store := newStore(t, s)
	var end raft.Log
	for {
		first, err := store.FirstIndex()
		require.NoError(t, err)
		last, err := store.LastIndex()
		require.NoError(t, err)
		if last > 0 {
			require.NoError(t, store.GetLog(last, &end))
		}
		c := randomChange(random, first, last, end.Term)
		_, err = fmt.Fprintf(reports, "%s %d %d %d\n", c.Kind, c.From, c.To, c.Term)
		require.NoError(t, err, "the parent is gone")
		if c.Kind == "append" {
			logs := entries(c.From, c.To)
			for i := range logs {
				logs[i] = entry(logs[i].Index, c.Term)
			}
			require.NoError(t, store.StoreLogs(logs))
		} else {
			require.NoError(t, store.DeleteRange(c.From, c.To))
		}
		_, err = fmt.Fprintln(reports, "done")
		require.NoError(t, err)
	}
}

func randomChange(random *rand.Rand, first, last, term uint64) change {
	size := int64(last - first)
	switch kind := random.Intn(10); {
	case kind == 0 && size > 10:
		return change{"tail", last - uint64(random.Int63n(size/2)), last, term}
	case kind == 1 && size > 10:
		return change{"head", first, first + uint64(random.Int63n(size)), term}
	case kind == 2 && last > 0:
		from := last + 2 + uint64(random.Intn(1000))
		return change{"append", from, from + uint64(random.Intn(20)), term + 1}
	default:
		return change{"append", last + 1, last + 1 + uint64(random.Intn(500)), max(term, 1) + uint64(random.Intn(2))}
	}
}
