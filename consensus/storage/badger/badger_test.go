package badger_test

import (
	"testing"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/badger"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/storagetest"
)

func TestStorage(t *testing.T) {
	storagetest.Run(t, storagetest.Engine{
		Place: func(tb testing.TB) string { tb.Helper(); return tb.TempDir() },
		Open:  func(place string) (storage.Storage, error) { return badger.Open(place) },
	})
}
