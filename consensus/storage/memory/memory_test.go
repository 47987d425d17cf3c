package memory_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/storagetest"
)

func TestStorage(t *testing.T) {
	var places atomic.Int64
	storages := map[string]*memory.Storage{}
	storagetest.Run(t, storagetest.Engine{
		Volatile: true,
		Place:    func(testing.TB) string { return strconv.FormatInt(places.Add(1), 10) },
		Open: func(place string) (storage.Storage, error) {
			if s, ok := storages[place]; ok {
				storages[place] = s.Reopen()
			} else {
				storages[place] = memory.New()
			}
			return storages[place], nil
		},
	})
}

func TestReopenTakesTheDataFromTheOldOne(t *testing.T) {
	before := memory.New()
	require.NoError(t, before.Set(t.Context(), []byte("key"), []byte("value")))
	after := before.Reopen()
	require.ErrorIs(t, before.Set(t.Context(), []byte("key"), []byte("late")), storage.ErrClosed)
	value, err := after.Get(t.Context(), []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "value", string(value))
}

func TestCloseForgetsEverything(t *testing.T) {
	s := memory.New()
	require.NoError(t, s.Set(t.Context(), []byte("key"), []byte("value")))
	require.NoError(t, s.Close())
	_, err := s.Reopen().Get(t.Context(), []byte("key"))
	require.ErrorIs(t, err, storage.ErrClosed)
}
