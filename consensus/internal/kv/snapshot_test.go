package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

func written(t *testing.T, s *consensus.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.WriteTo(&b))
	return b.Bytes()
}

func snapshotOf(t *testing.T, l *log) *consensus.Snapshot {
	t.Helper()
	s, err := l.Snapshot()
	require.NoError(t, err)
	return s
}

func TestASnapshotIsTheMapAtItsTime(t *testing.T) {
	l := newLog(t)
	for i := range 1000 {
		l.apply(kv.Set(fmt.Sprintf("key-%d", i), strings.Repeat("v", i)))
	}
	snapshot := snapshotOf(t, l)
	want := l.query(kv.List{})
	l.apply(kv.Set("key-1", "later"))
	l.apply(kv.Delete("key-2"))
	l.apply(kv.Set("new", "later"))

	other := newLog(t)
	other.apply(kv.Set("old", "is to go"))
	data := written(t, snapshot)
	require.NoError(t, other.Restore(&consensus.Snapshot{Reader: iotest.OneByteReader(bytes.NewReader(data))}))
	assert.Equal(t, want, other.query(kv.List{}))
	assert.Equal(t, data, written(t, snapshotOf(t, other)), "equal maps are to give equal snapshots")
}

func TestAnEmptyMapCanBeSnapshotAndRestored(t *testing.T) {
	l := newLog(t)
	l.apply(kv.Set("a", "1"))
	require.NoError(t, l.Restore(&consensus.Snapshot{Reader: bytes.NewReader(written(t, snapshotOf(t, newLog(t))))}))
	assert.Zero(t, l.Len())
}

func TestEveryCutSnapshotIsRefusedAndTheMapStays(t *testing.T) {
	l := newLog(t)
	l.apply(kv.Set("a", "1"))
	l.apply(kv.Set("b", "22"))
	data := written(t, snapshotOf(t, l))
	for end := range data {
		err := l.Restore(&consensus.Snapshot{Reader: bytes.NewReader(data[:end])})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d of %d bytes", end, len(data))
	}
	for name, bad := range map[string][]byte{
		"goes on":     append(bytes.Clone(data), 0),
		"begins with": append([]byte("X"), data[1:]...),
		"length":      append([]byte("s3lect key-value map 1\n\x01"), bytes.Repeat([]byte{0xff}, 9)...),
		"overflow":    append([]byte("s3lect key-value map 1\n\x01"), bytes.Repeat([]byte{0xff}, 20)...),
	} {
		assert.Error(t, l.Restore(&consensus.Snapshot{Reader: bytes.NewReader(bad)}), name)
	}
	failed := errors.New("disk is gone")
	assert.ErrorIs(t, l.Restore(&consensus.Snapshot{Reader: io.MultiReader(bytes.NewReader(data), iotest.ErrReader(failed))}), failed)
	assert.Equal(t, kv.Answer{Value: "22", Found: true, Version: 2}, l.get("b"))
}

func TestAWriterThatFailsIsReported(t *testing.T) {
	l := newLog(t)
	for i := range 10 {
		l.apply(kv.Set(fmt.Sprint(i), strings.Repeat("v", 1<<16)))
	}
	full := errors.New("disk is full")
	reader, writer := io.Pipe()
	require.NoError(t, reader.CloseWithError(full))
	assert.ErrorIs(t, snapshotOf(t, l).WriteTo(writer), full)
}

// For the race detector.
func TestQueriesAndSnapshotsGoOnWhileCommandsAreApplied(t *testing.T) {
	l := newLog(t)
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := l.Query(kv.Get{Key: "a"}); err != nil {
					t.Error(err)
				}
				s, err := l.Snapshot()
				if err == nil {
					err = s.WriteTo(io.Discard)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 2000 {
		l.apply(kv.Set(string(rune('a'+i%26)), fmt.Sprint(i)))
	}
	close(stop)
	others.Wait()
}

func FuzzRestoreOfAnythingEitherFailsOrGivesThatMap(f *testing.F) {
	m := kv.New()
	for i, c := range []consensus.Command{kv.Set("a", "1"), kv.Set("ab", "")} {
		if err := m.Apply(consensus.LogEntry{Index: uint64(i + 1), Type: c.Type, Data: c.Data}); err != nil {
			f.Fatal(err)
		}
	}
	s, _ := m.Snapshot()
	var b bytes.Buffer
	if err := s.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m := kv.New()
		if m.Restore(&consensus.Snapshot{Reader: bytes.NewReader(data)}) != nil {
			return
		}
		s, _ := m.Snapshot()
		var first bytes.Buffer
		require.NoError(t, s.WriteTo(&first))
		again := kv.New()
		require.NoError(t, again.Restore(&consensus.Snapshot{Reader: bytes.NewReader(first.Bytes())}))
		require.Equal(t, m.Len(), again.Len())
	})
}
