package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/pgserver"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/postgres"
)

func open(t *testing.T, server *pgserver.Server, options postgres.Options) *postgres.Storage {
	t.Helper()
	s, err := postgres.Open(t.Context(), server.URL(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestOnAServer runs what needs a server of no special kind on one.
func TestOnAServer(t *testing.T) {
	t.Parallel()
	server := pgserver.Start(t)
	for name, test := range map[string]func(*testing.T, *pgserver.Server){
		"UnloggedTablesAreRefused":                      testUnloggedTablesAreRefused,
		"AWrongPasswordIsNotShown":                      testAWrongPasswordIsNotShown,
		"TheSameTableHasOneLockUnderAnyName":            testTheSameTableHasOneLockUnderAnyName,
		"AMissingSchemaIsNamed":                         testAMissingSchemaIsNamed,
		"WhoLosesTheLockFailsBeforeAnotherOneWrites":    testWhoLosesTheLockFailsBeforeAnotherOneWrites,
		"ALostLockIsNoticedWithoutAWrite":               testALostLockIsNoticedWithoutAWrite,
		"NothingAnsweredIsLostWhenTheServerCrashes":     testNothingAnsweredIsLostWhenTheServerCrashes,
		"ACallThatIsGivenUpKeepsTheLock":                testACallThatIsGivenUpKeepsTheLock,
		"AServerThatDoesNotAnswerIsNotWaitedForForEver": testAServerThatDoesNotAnswerIsNotWaitedForForEver,
	} {
		t.Run(name, func(t *testing.T) {
			server.Exec("DROP TABLE IF EXISTS consensus")
			test(t, server)
		})
	}
}

func TestServersThatLoseDataAreRefused(t *testing.T) {
	for setting, reason := range map[string]string{
		"fsync=off":            "fsync off",
		"full_page_writes=off": "full_page_writes off",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			server := pgserver.Start(t, setting)
			_, err := postgres.Open(t.Context(), server.URL(), postgres.Options{})
			require.ErrorContains(t, err, reason)
		})
	}
}

func testUnloggedTablesAreRefused(t *testing.T, server *pgserver.Server) {
	t.Helper()
	server.Exec("CREATE UNLOGGED TABLE unlogged (key bytea PRIMARY KEY, value bytea NOT NULL)")
	_, err := postgres.Open(t.Context(), server.URL(), postgres.Options{Table: "unlogged"})
	require.ErrorContains(t, err, "unlogged or temporary")
}

func TestCommitsAreSynchronousWhateverTheServersDefaultIs(t *testing.T) {
	t.Parallel()
	server := pgserver.Start(t, "synchronous_commit=off")
	var log strings.Builder
	s := open(t, server, postgres.Options{Logger: textLogger(&log)})
	assert.Contains(t, log.String(), "synchronous_commit")
	for i := range 20 {
		require.NoError(t, s.Set(t.Context(), []byte{byte(i)}, []byte("value")))
	}
	server.Kill() // what is not synced yet is lost by it
	server.Up()
	require.NoError(t, s.Close())
	s = open(t, server, postgres.Options{})
	pairs, err := s.GetRange(t.Context(), storage.Range{})
	require.NoError(t, err)
	require.Len(t, pairs, 20)
}

func TestNamesThatCannotBeTablesAreRefused(t *testing.T) {
	for _, name := range []string{"Upper", "with space", `quo"te`, "a;drop", "a.b.c", ".a", "a.", "1st", strings.Repeat("x", 64), "ä"} {
		_, err := postgres.Open(t.Context(), "postgres://nobody@127.0.0.1:1/", postgres.Options{Table: name})
		assert.ErrorContains(t, err, "name of a", name)
	}
}

func TestErrorsDoNotShowThePassword(t *testing.T) {
	const secret = "hunter2secret"
	for _, url := range []string{
		"postgres://user:" + secret + "@127.0.0.1:1/db",                    // nobody listens
		"postgres://user:" + secret + "@127.0.0.1:port/db",                 // no port
		"postgres://user:" + secret + "/x@127.0.0.1/db",                    // cut in the wrong place
		"postgres://user:" + secret + "%zz@127.0.0.1/db",                   // no escape
		"postgres://user:" + secret + "@one,two/db",                        // several servers
		"host=127.0.0.1 port=1 user=user password=" + secret,               // the other form
		"host=127.0.0.1 port=1 user=user password=x " + secret,             // an unquoted space
		"host=127.0.0.1 port=none user=user password=" + secret,            // no port
		"postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=impossible", // no mode
	} {
		_, err := postgres.Open(t.Context(), url, postgres.Options{Timeout: 5 * time.Second})
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), secret)
		assert.Contains(t, err.Error(), "consensus", "the table is named")
	}
}

func testAWrongPasswordIsNotShown(t *testing.T, server *pgserver.Server) {
	t.Helper()
	const secret = "hunter2secret"
	wrong := strings.Replace(server.URL(), pgserver.Password, secret, 1)
	_, err := postgres.Open(t.Context(), wrong, postgres.Options{})
	require.ErrorContains(t, err, "password authentication failed")
	assert.NotContains(t, err.Error(), secret)
}

func TestSeveralServersAreRefused(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres://user@one,two/db", postgres.Options{})
	require.ErrorContains(t, err, "several servers")
}

func testTheSameTableHasOneLockUnderAnyName(t *testing.T, server *pgserver.Server) {
	t.Helper()
	open(t, server, postgres.Options{Table: "data"})
	_, err := postgres.Open(t.Context(), server.URL(), postgres.Options{Table: "public.data"})
	require.ErrorContains(t, err, "in use")
	open(t, server, postgres.Options{Table: "other"})
}

func testAMissingSchemaIsNamed(t *testing.T, server *pgserver.Server) {
	t.Helper()
	_, err := postgres.Open(t.Context(), server.URL(), postgres.Options{Table: "nowhere.data"})
	require.ErrorContains(t, err, "nowhere")
}

// testWhoLosesTheLockFailsBeforeAnotherOneWrites cuts the connection that holds the lock.
func testWhoLosesTheLockFailsBeforeAnotherOneWrites(t *testing.T, server *pgserver.Server) {
	t.Helper()
	old := open(t, server, postgres.Options{})
	require.NoError(t, old.Set(t.Context(), []byte("key"), []byte("old")))
	server.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`)

	fresh := open(t, server, postgres.Options{})
	require.NoError(t, fresh.Set(t.Context(), []byte("key"), []byte("fresh")))
	require.ErrorIs(t, old.Set(t.Context(), []byte("key"), []byte("late")), storage.ErrFailed)
	_, err := old.Get(t.Context(), []byte("key"))
	require.ErrorIs(t, err, storage.ErrFailed)
	value, err := fresh.Get(t.Context(), []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "fresh", string(value))
}

func testALostLockIsNoticedWithoutAWrite(t *testing.T, server *pgserver.Server) {
	t.Helper()
	s := open(t, server, postgres.Options{})
	server.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`)
	require.Eventually(t, func() bool {
		_, err := s.GetRange(context.Background(), storage.Range{})
		return err != nil
	}, 30*time.Second, 50*time.Millisecond)
	_, err := s.GetRange(t.Context(), storage.Range{})
	require.ErrorIs(t, err, storage.ErrFailed)
}

func testNothingAnsweredIsLostWhenTheServerCrashes(t *testing.T, server *pgserver.Server) {
	t.Helper()
	s := open(t, server, postgres.Options{})
	answered := make(chan int)
	go func() {
		defer close(answered)
		for i := 0; ; i++ {
			key := []byte{byte(i >> 8), byte(i)}
			if s.Batch(context.Background(), []storage.Operation{{Key: key, Value: key}, {Key: append(key, 'b'), Value: key}}) != nil {
				return
			}
			answered <- i
		}
	}()
	count := 0
	for range 200 {
		<-answered
		count++
	}
	server.Kill()
	for range answered {
		count++
	}
	require.ErrorIs(t, s.Set(t.Context(), []byte("key"), nil), storage.ErrFailed)
	server.Up()
	require.ErrorIs(t, s.Set(t.Context(), []byte("key"), nil), storage.ErrFailed, "the lock does not come back")
	require.NoError(t, s.Close())

	pairs, err := open(t, server, postgres.Options{}).GetRange(t.Context(), storage.Range{KeysOnly: true})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(pairs), 2*count)
}

// testACallThatIsGivenUpKeepsTheLock has a write wait for another session's lock on the table.
func testACallThatIsGivenUpKeepsTheLock(t *testing.T, server *pgserver.Server) {
	t.Helper()
	s := open(t, server, postgres.Options{})
	require.NoError(t, s.Set(t.Context(), []byte("key"), []byte("value")))
	other, err := pgx.Connect(t.Context(), server.URL())
	require.NoError(t, err)
	defer func() { _ = other.Close(context.Background()) }()
	blocking, err := other.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocking.Exec(t.Context(), "LOCK TABLE consensus IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Set(ctx, []byte("key"), []byte("given up")), context.DeadlineExceeded)
	_, err = s.Get(ctx, []byte("key"))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, blocking.Rollback(t.Context()))
	require.NoError(t, s.Set(t.Context(), []byte("key"), []byte("later")))
}

func testAServerThatDoesNotAnswerIsNotWaitedForForEver(t *testing.T, server *pgserver.Server) {
	t.Helper()
	s := open(t, server, postgres.Options{Timeout: 5 * time.Second})
	server.Pause()
	defer server.Resume()
	err := s.Set(t.Context(), []byte("key"), []byte("value"))
	require.ErrorIs(t, err, storage.ErrFailed)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestSpaceOfWhatIsDeletedIsUsedAgain appends and deletes as a log does.
func TestSpaceOfWhatIsDeletedIsUsedAgain(t *testing.T) {
	t.Parallel()
	server := pgserver.Start(t, "autovacuum_naptime=1s")
	s := open(t, server, postgres.Options{})
	size := func() (bytes int64) {
		connection, err := pgx.Connect(t.Context(), server.URL())
		require.NoError(t, err)
		defer func() { _ = connection.Close(t.Context()) }()
		require.NoError(t, connection.QueryRow(t.Context(), "SELECT pg_total_relation_size('consensus')").Scan(&bytes))
		return bytes
	}
	round := func(remove bool) {
		var operations []storage.Operation
		for i := range 10_000 {
			operations = append(operations, storage.Operation{Key: []byte{byte(i >> 8), byte(i)}, Value: make([]byte, 500), Delete: remove})
		}
		require.NoError(t, s.Batch(t.Context(), operations))
	}
	round(false)
	first := size()
	round(true)
	require.Eventually(t, func() bool {
		round(false)
		round(true)
		return size() < 8*first
	}, time.Minute, time.Second)
}
