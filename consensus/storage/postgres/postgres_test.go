package postgres_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/pgserver"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/postgres"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/storagetest"
)

func TestStorage(t *testing.T) {
	start := sync.OnceValue(func() *pgserver.Server { return pgserver.Start(t) })
	var tables atomic.Int64
	storagetest.Run(t, storagetest.Engine{
		Place: func(testing.TB) string {
			return start().URL() + " table_" + strconv.FormatInt(tables.Add(1), 10)
		},
		Open: func(place string) (storage.Storage, error) {
			url, table, _ := strings.Cut(place, " ")
			return postgres.Open(t.Context(), url, postgres.Options{Table: table, Timeout: time.Minute})
		},
	})
}
