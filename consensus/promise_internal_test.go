package consensus

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

func TestALongerPromiseOfAnEarlierRunIsKept(t *testing.T) {
	disk := raft.NewInmemStore()
	first, holdBack, err := newPromises(disk, time.Second, false)
	require.NoError(t, err)
	require.Zero(t, holdBack, "there was no run before")
	require.NoError(t, first.remember(3*time.Second))
	require.NoError(t, first.remember(2*time.Second))

	second, holdBack, err := newPromises(disk, time.Second, true)
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, holdBack)
	require.NoError(t, second.remember(2*time.Second))

	// It has not held back for long enough when it is started again.
	third, holdBack, err := newPromises(disk, time.Second, true)
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, holdBack)
	require.NoError(t, third.remember(2*time.Second))
	require.NoError(t, third.lower())

	_, holdBack, err = newPromises(disk, time.Second, true)
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, holdBack, "that is the longest since")
}

// hesitant does what it says it cannot.
type hesitant struct {
	*raft.InmemStore
	err error
}

func (h hesitant) SetUint64(key []byte, value uint64) error {
	return errors.Join(h.InmemStore.SetUint64(key, value), h.err)
}

func TestAPromiseIsKeptThoughTheWriteThatLowersItSeemsToFail(t *testing.T) {
	disk := raft.NewInmemStore()
	require.NoError(t, disk.SetUint64(promiseKey, uint64(3*time.Second)))
	p, _, err := newPromises(disk, time.Second, true)
	require.NoError(t, err)
	full := errors.New("disk is full")
	p.store = hesitant{disk, full}
	require.ErrorIs(t, p.lower(), full)
	require.ErrorIs(t, p.remember(2*time.Second), full, "it is longer than what may be on the disk")
}

func TestAPromiseThatNobodyMakesIsDamage(t *testing.T) {
	disk := raft.NewInmemStore()
	require.NoError(t, disk.SetUint64(promiseKey, 1<<63))
	_, _, err := newPromises(disk, time.Second, true)
	require.ErrorIs(t, storageError("start", err), ErrLogInconsistent)
}
