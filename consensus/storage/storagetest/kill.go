package storagetest

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

const (
	killWriters = 3  // goroutines that write in a child, each with keys of its own
	killRounds  = 8  // children that are killed one after the other
	killAfter   = 50 // most answers after which a child is killed
	killKept    = 8  // batches of a writer that are there at a time
)

// killBatch returns the batch with a number. It adds keys that no other batch has, removes those of an older batch, and
// writes its number last.
func killBatch(writer, number int) []storage.Operation {
	operations := killValues(writer, number)
	if number >= killKept {
		for _, old := range killValues(writer, number-killKept) {
			operations = append(operations, storage.Operation{Key: old.Key, Delete: true})
		}
	}
	return append(operations, storage.Operation{Key: killLast(writer), Value: []byte(strconv.Itoa(number))})
}

func killLast(writer int) []byte { return fmt.Appendf(nil, "%d-last", writer) }

func killValues(writer, number int) []storage.Operation {
	seed := int64(writer*1_000_000 + number)
	random := rand.New(rand.NewSource(seed)) //nolint:gosec // the same values in parent and child
	operations := make([]storage.Operation, 1+random.Intn(8))
	for i := range operations {
		size := random.Intn(600)
		if random.Intn(60) == 0 {
			size = 1500 << 10
		}
		operations[i] = storage.Operation{
			Key:   fmt.Appendf(nil, "%d-value-%09d-%d", writer, number, i),
			Value: randomBytes(seed*10+int64(i), size),
		}
	}
	return operations
}

// killNext returns the number of the first batch that has not been completed.
func killNext(ctx context.Context, s storage.Storage, writer int) (int, error) {
	last, err := s.Get(ctx, killLast(writer))
	if err != nil {
		if strings.Contains(err.Error(), storage.ErrNotFound.Error()) {
			return 0, nil
		}
		return 0, err
	}
	number, err := strconv.Atoi(string(last))
	return number + 1, err
}

// childWrite writes batches and reports each one that was answered, until it is killed.
func childWrite(t *testing.T, engine Engine, place string, reports *os.File) {
	t.Helper()
	s, err := engine.Open(place)
	require.NoError(t, err)
	var group sync.WaitGroup
	for w := range killWriters {
		group.Go(func() {
			next, err := killNext(t.Context(), s, w)
			for err == nil {
				if err = s.Batch(t.Context(), killBatch(w, next)); err == nil {
					_, err = fmt.Fprintf(reports, "%d %d\n", w, next)
					next++
				}
			}
			t.Errorf("writer %d: %v", w, err)
		})
	}
	group.Wait()
}

func testKill(t *testing.T, engine Engine) {
	t.Helper()
	seed := rand.Int63() //nolint:gosec // the moments of the kills
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed)) //nolint:gosec // the moments of the kills
	place := engine.Place(t)
	var answered [killWriters]int // batches by writer
	for range killRounds {
		c := startChild(t, "write", place)
		for range 1 + random.Intn(killAfter) {
			require.True(t, c.reports.Scan(), "the child has ended: %s", &c.output)
			var writer, number int
			_, err := fmt.Sscan(c.reports.Text(), &writer, &number)
			require.NoError(t, err)
			require.Equal(t, answered[writer], number, "batches are answered in their order")
			answered[writer] = number + 1
		}
		require.NoError(t, c.command.Process.Kill())
		for c.reports.Scan() { // answered before the kill
			var writer, number int
			_, err := fmt.Sscan(c.reports.Text(), &writer, &number)
			require.NoError(t, err)
			answered[writer] = number + 1
		}
		_ = c.command.Wait() // the kill is what it says

		s, err := engine.Open(place)
		require.NoError(t, err, "open after a kill")
		for w := range killWriters {
			next, err := killNext(t.Context(), s, w)
			require.NoError(t, err)
			require.GreaterOrEqual(t, next, answered[w], "batches of writer %d that were answered", w)
			requireKilled(t, s, w, next)
			answered[w] = next
		}
		require.NoError(t, s.Close())
	}
}

// requireKilled asserts that all batches before next have been done, and of the one with that number the operations up
// to some point.
func requireKilled(t *testing.T, s storage.Storage, writer, next int) {
	t.Helper()
	want := map[string]string{}
	for number := max(0, next-killKept); number < next; number++ {
		for _, operation := range killValues(writer, number) {
			want[string(operation.Key)] = string(operation.Value)
		}
	}
	pairs, err := s.GetRange(t.Context(), storage.Range{
		Start: fmt.Appendf(nil, "%d-value-", writer), End: fmt.Appendf(nil, "%d-value.", writer),
	})
	require.NoError(t, err)
	got := map[string]string{}
	for _, pair := range pairs {
		got[string(pair.Key)] = string(pair.Value)
	}
	for _, operation := range killBatch(writer, next) {
		if same(got, want) {
			return
		}
		if operation.Delete {
			delete(want, string(operation.Key))
		} else {
			want[string(operation.Key)] = string(operation.Value)
		}
	}
	require.Failf(t, "not a prefix", "writer %d: what is there is not what the first operations of batch %d make of it", writer, next)
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			return false
		}
	}
	return true
}
