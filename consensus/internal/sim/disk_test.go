package sim

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// TestDiskKeepsWhatItHasAnswered: what was acknowledged survives a crash, and of a batch under way there is a beginning.
func TestDiskKeepsWhatItHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, beginnings := context.Background(), map[int]bool{}
		for seed := range uint64(50) {
			d := newDisk(newDice(seed, "disk"), fair("calm"), ForgetsNothing)
			s := d.open()
			require.NoError(t, s.Set(ctx, []byte("kept"), []byte("1")))
			var batch []storage.Operation
			for i := range 4 {
				batch = append(batch, storage.Operation{Key: fmt.Append(nil, "batch", i), Value: []byte("1")})
			}
			written := make(chan error, 1)
			go func() { written <- s.Batch(ctx, batch) }()
			synctest.Wait() // it is under way
			s.crash()
			require.ErrorIs(t, <-written, storage.ErrClosed)
			require.ErrorIs(t, s.Set(ctx, []byte("late"), nil), storage.ErrClosed)

			again := d.open()
			_, err := again.Get(ctx, []byte("kept"))
			require.NoError(t, err)
			pairs, err := again.GetRange(ctx, storage.Range{Start: []byte("batch"), End: []byte("c")})
			require.NoError(t, err)
			for i, p := range pairs {
				require.Equal(t, fmt.Sprint("batch", i), string(p.Key), "only a beginning may be there")
			}
			beginnings[len(pairs)] = true
		}
		assert.True(t, beginnings[0] && beginnings[4] && len(beginnings) > 2, "%v", beginnings)
	})
}

// TestForgetfulDisksForget: otherwise they would be no control.
func TestForgetfulDisksForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		d := newDisk(newDice(1, "disk"), fair("calm"), ForgetsWrites)
		s := d.open()
		require.NoError(t, s.Set(ctx, []byte("old"), []byte("1")))
		time.Sleep(2 * lastMoments)
		require.NoError(t, s.Set(ctx, []byte("old"), []byte("2")))
		require.NoError(t, s.Set(ctx, []byte("new"), []byte("1")))
		s.crash()
		again := d.open()
		value, err := again.Get(ctx, []byte("old"))
		require.NoError(t, err)
		assert.Equal(t, "1", string(value))
		_, err = again.Get(ctx, []byte("new"))
		assert.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// TestHeldDiskHolds: whoever writes waits until the disk is released, and a failing disk says so.
func TestHeldDiskHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, began := context.Background(), time.Now()
		d := newDisk(newDice(1, "disk"), fair("calm"), ForgetsNothing)
		s := d.open()
		release := d.hold()
		time.AfterFunc(time.Minute, release)
		require.NoError(t, s.Set(ctx, []byte("a"), nil))
		assert.GreaterOrEqual(t, time.Since(began), time.Minute)
		d.fail(true)
		require.ErrorIs(t, s.Set(ctx, []byte("b"), nil), errDisk)
		d.fail(false)
		require.NoError(t, s.Set(ctx, []byte("b"), nil))
	})
}
