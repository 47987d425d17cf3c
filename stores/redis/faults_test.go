package redis_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

// prompt is how soon a call must notice the end of its context, on a busy machine. The time-outs of
// the client are longer.
const prompt = 2 * time.Second

const neverInTests = time.Minute // as a time-out

func TestErrorsOfServersSayWhatToDo(t *testing.T) {
	t.Parallel()
	files := redisserver.NewFiles(t)
	with := func(address, userinfo string) string { return strings.Replace(address, "://", "://"+userinfo+"@", 1) }
	for name, c := range map[string]struct {
		address func(t *testing.T) string
		says    string
	}{
		"no password": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(redisserver.Start(t, redisserver.WithPassword("HIDDEN")).URL(nil), ":HIDDEN@", "", 1)
		}, "the server wants a password"},
		"wrong password": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(redisserver.Start(t, redisserver.WithPassword("HIDDEN")).URL(nil), "HIDDEN", "HIDDEN2", 1)
		}, "does not accept the user or the password"},
		"unknown user": {func(t *testing.T) string {
			t.Helper()
			return with(redisserver.Start(t).URL(nil), "somebody:HIDDEN")
		}, "does not accept the user or the password"},
		"no such database": {func(t *testing.T) string {
			t.Helper()
			server := redisserver.Start(t)
			return strings.Replace(server.URL(nil), server.Address, server.Address+"/99", 1)
		}, "no such database"},
		"nobody listens": {func(t *testing.T) string {
			t.Helper()
			server := redisserver.Start(t)
			server.Kill()
			return server.URL(nil)
		}, "cannot be reached"},
		"no such host": {func(t *testing.T) string { t.Helper(); return "redis://nowhere.invalid" }, "cannot be reached"},
		"TLS to a plain server": {func(t *testing.T) string {
			t.Helper()
			server := redisserver.Start(t) // takes what comes for the beginning of something
			return strings.Replace(server.URL(url.Values{"timeout": {"200ms"}}), "redis:", "rediss:", 1)
		}, "no answer in time"},
		"plain to a server with TLS": {func(t *testing.T) string {
			t.Helper()
			return "redis://" + redisserver.Start(t, redisserver.WithTLS(files)).Address
		}, ""}, // most often that it closes the connection
		"unknown authority": {func(t *testing.T) string {
			t.Helper()
			return "rediss://" + redisserver.Start(t, redisserver.WithTLS(files)).Address
		}, "name the authority with ca_file"},
		"other authority": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(redisserver.Start(t, redisserver.WithTLS(files)).URL(nil),
				url.QueryEscape(files.CA), url.QueryEscape(redisserver.NewFiles(t).CA), 1)
		}, "name the authority with ca_file"},
		"other name": {func(t *testing.T) string {
			t.Helper()
			return redisserver.Start(t, redisserver.WithTLS(files)).URL(url.Values{"server_name": {"elsewhere"}})
		}, "elsewhere"},
		"a cluster without saying so": {func(t *testing.T) string {
			t.Helper()
			return redisserver.StartCluster(t).Nodes[0].URL(nil) // "k" is in a slot of the second one
		}, "add cluster=true"},
		"cluster=true for a single server": {func(t *testing.T) string {
			t.Helper()
			return redisserver.Start(t).URL(url.Values{"cluster": {"true"}})
		}, "the server is no node of a cluster"},
		"a cluster that lacks a node": {func(t *testing.T) string {
			t.Helper()
			c := redisserver.StartCluster(t)
			c.Nodes[1].Kill()
			survivor := c.Nodes[0].Client(t)
			require.Eventually(t, func() bool {
				info, err := survivor.ClusterInfo(t.Context()).Result()
				return err == nil && strings.Contains(info, "cluster_state:fail")
			}, time.Minute, 10*time.Millisecond)
			return c.Nodes[0].URL(url.Values{"cluster": {"true"}})
		}, ""},
		"a sentinel without saying so": {func(t *testing.T) string {
			t.Helper()
			return redisserver.StartWatched(t).Sentinel.URL(nil)
		}, "whose URL needs master_name"},
		"a name that the sentinel does not know": {func(t *testing.T) string {
			t.Helper()
			return redisserver.StartWatched(t).Sentinel.URL(url.Values{"master_name": {"other"}})
		}, "know no primary of that master_name"},
		"no sentinel": {func(t *testing.T) string {
			t.Helper()
			return "redis://127.0.0.1:1?master_name=m&addr=127.0.0.1:2"
		}, "no sentinel could tell"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, c.address(t))
			for call, err := range everyCall(t.Context(), s, "k") {
				notTheContract(t, err, c.says, `k" in Redis `)
				assert.NotContains(t, err.Error(), "\n")
				assert.NotContains(t, err.Error(), "HIDDEN", call)
				assert.NotErrorIs(t, err, s3lect.ErrStorageThrottled)
			}
			if name != "a cluster without saying so" { // where the node lists what it has
				notTheContract(t, listError(t.Context(), s))
			}
		})
	}
}

// A replica answers reads, and refuses writes.
func TestAReplicaIsNamedAsSuch(t *testing.T) {
	t.Parallel()
	w := redisserver.StartWatched(t)
	primary, replica := open(t, w.Primary.URL(nil)), open(t, w.Replica.URL(nil))
	etag, err := primary.PutIfMatchETag(t.Context(), "k", []byte("x"), "")
	require.NoError(t, err)
	require.NoError(t, w.Primary.Client(t).Wait(t.Context(), 1, 0).Err())
	for name, err := range map[string]error{
		"create":      replica.PutIfMatch(t.Context(), "new", nil, ""),
		"replace":     replica.PutIfMatch(t.Context(), "k", nil, etag),
		"delete":      replica.Delete(t.Context(), "k"),
		"GetOrCreate": func() error { _, _, err := replica.GetOrCreate(t.Context(), "new", nil, 0); return err }(),
	} {
		notTheContract(t, err, "the server is a replica; name the primary")
		assert.ErrorContains(t, err, "READONLY", name)
	}

	w.Sentinel.Kill() // which would have it take over
	w.Primary.Kill()
	client := w.Replica.Client(t)
	require.NoError(t, client.ConfigSet(t.Context(), "replica-serve-stale-data", "no").Err())
	require.Eventually(t, func() bool {
		info, err := client.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:down")
	}, time.Minute, 10*time.Millisecond)
	_, _, err = replica.Get(t.Context(), "k")
	notTheContract(t, err, "lost its primary")
}

func TestAFullServerRefusesWritesAndStillAnswersLosers(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	etag := create(t, s, "k")
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())
	notTheContract(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag), "memory is full")
	notTheContract(t, s.PutIfMatch(t.Context(), "new", []byte("y"), ""), "memory is full")
	_, _, err := s.GetOrCreate(t.Context(), "new", []byte("y"), 0)
	notTheContract(t, err, "memory is full")
	current, created, err := s.GetOrCreate(t.Context(), "k", []byte("y"), 0)
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, "x", string(current))
	require.NoError(t, s.Delete(t.Context(), "k"), "which makes room")
}

// create makes an object of one letter.
func create(t *testing.T, s *redis.Storage, key string) (etag string) {
	t.Helper()
	etag, err := s.PutIfMatchETag(t.Context(), key, []byte("x"), "")
	require.NoError(t, err)
	return etag
}

func TestAServerWithTooManyClientsThrottles(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	cluster := redisserver.StartCluster(t)
	for _, c := range []struct {
		address string
		servers []*redisserver.Server
	}{{server.URL(nil), []*redisserver.Server{server}}, {cluster.URL(nil), cluster.Nodes}} {
		s := open(t, c.address)
		for _, full := range c.servers {
			client := full.Client(t)
			require.NoError(t, client.ConfigSet(t.Context(), "maxclients", "1").Err())
		}
		for _, err := range everyCall(t.Context(), s, "k") {
			notTheContract(t, err, "raise maxclients")
			assert.ErrorIs(t, err, s3lect.ErrStorageThrottled)
		}
	}
}

// The server says no such things in tests, or not reliably.
func TestRareAnswersSayWhatToDo(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{
		"LOADING Redis is loading the dataset in memory":                                        "loading its data; try again",
		"MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk": "cannot write to its disk",
		"NOREPLICAS Not enough good replicas to write.":                                         "min-replicas-to-write",
		"BUSY Redis is busy running a script.":                                                  "a script of another program",
		"CLUSTERDOWN The cluster is down":                                                       "the cluster is not complete",
		"MOVED 1 10.0.0.1:6379":                                                                 "add cluster=true",
		"ASK 1 10.0.0.1:6379":                                                                   "add cluster=true",
		"DENIED Redis is running in protected mode":                                             "its own machine only",
		"ERR something else":                                                                    "ERR something else",
	} {
		s := openHooked(t, func(context.Context, goredis.Cmder) error { return reply(answer) })
		for _, err := range everyCall(t.Context(), s, "k") {
			notTheContract(t, err, says, answer, `"k" in Redis at`)
		}
	}
	for err, says := range map[error]string{
		goredis.ErrPoolTimeout: "no connection was free",
		goredis.ErrClosed:      "closed",
		goredis.Nil:            "nil",
	} {
		s := openHooked(t, func(context.Context, goredis.Cmder) error { return err })
		for _, err := range everyCall(t.Context(), s, "k") {
			notTheContract(t, err, says)
		}
	}
}

// reply is an error as a server sends it.
type reply string

func (r reply) Error() string { return string(r) }

func (reply) RedisError() {}

// openHooked opens a storage on a client that process answers for.
func openHooked(t *testing.T, process func(ctx context.Context, cmd goredis.Cmder) error) *redis.Storage {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	client.AddHook(hook{process: func(goredis.ProcessHook) goredis.ProcessHook { return process }})
	s, err := redis.New(client, redis.Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, client.Close(), "the client was the caller's")
	})
	return s
}

type hook struct {
	process func(next goredis.ProcessHook) goredis.ProcessHook
}

func (hook) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (hook) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (h hook) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return h.process(next) }

func TestStrangeAnswersAreErrors(t *testing.T) {
	t.Parallel()
	for _, answer := range []any{nil, int64(7), 1.5, []any{}, map[any]any{}, "", true, "OK"} {
		s := openHooked(t, func(_ context.Context, cmd goredis.Cmder) error {
			setValue(t, cmd, answer)
			return nil
		})
		for _, err := range everyCall(t.Context(), s, "k") {
			notTheContract(t, err)
		}
		notTheContract(t, listError(t.Context(), s))
	}
}

func setValue(t *testing.T, cmd goredis.Cmder, value any) {
	t.Helper()
	setter, ok := cmd.(interface{ SetVal(value any) })
	require.True(t, ok)
	setter.SetVal(value)
}

// A reply that is lost must not have the client write again: whoever uses the storage reads back.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	cluster := redisserver.StartCluster(t)
	single := goredis.NewClient(&goredis.Options{Addr: server.Address, MaxRetries: 5, ReadTimeout: 100 * time.Millisecond})
	many := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs: []string{cluster.Nodes[0].Address}, MaxRetries: 5, MaxRedirects: 5, ReadTimeout: 100 * time.Millisecond,
	})
	for _, c := range []struct {
		client  goredis.UniversalClient
		servers []*redisserver.Server
	}{{single, []*redisserver.Server{server}}, {many, cluster.Nodes}} {
		s, err := redis.New(c.client, redis.Options{})
		require.NoError(t, err)
		etag := create(t, s, "k")
		require.NoError(t, s.Delete(t.Context(), "other"))
		count := func(command string) (n int) {
			for _, each := range c.servers {
				n += calls(t, each.Client(t), command)
			}
			return n
		}
		scripts, reads := count("evalsha"), count("getrange")
		warm(t, c.client)

		for _, each := range c.servers {
			each.Stall(t)
		}
		notTheContract(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag), "no answer in time", "not known whether this was done")
		for _, each := range c.servers {
			each.Continue(t)
		}
		require.Eventually(t, func() bool {
			data, _, err := s.Get(t.Context(), "k")
			return err == nil && string(data) == "y"
		}, time.Minute, 10*time.Millisecond, "it lands, late")
		assert.Equal(t, 1, count("evalsha")-scripts)
		assert.Greater(t, count("getrange"), reads)
		require.NoError(t, s.Close())
		require.NoError(t, c.client.Close())
	}
}

// warm has a client keep more connections ready than it could repeat a command on. New ones would
// not even be greeted while the server is stalled.
func warm(t *testing.T, client goredis.UniversalClient) {
	t.Helper()
	open := func(ctx context.Context, node *goredis.Client) error {
		var conns []*goredis.Conn
		for range 8 {
			conn := node.Conn()
			if err := conn.Ping(ctx).Err(); err != nil {
				return err
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			if err := conn.Close(); err != nil {
				return err
			}
		}
		return nil
	}
	switch client := client.(type) {
	case *goredis.Client:
		require.NoError(t, open(t.Context(), client))
	case *goredis.ClusterClient:
		require.NoError(t, client.ForEachMaster(t.Context(), open))
	}
}

// A proxy or a redirecting node may do what the client does not.
func TestAWriteThatArrivesTwiceSucceedsTwice(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	client := server.Client(t)
	client.AddHook(hook{process: func(next goredis.ProcessHook) goredis.ProcessHook {
		return func(ctx context.Context, cmd goredis.Cmder) error {
			if err := next(ctx, cmd); err != nil || !strings.HasPrefix(cmd.Name(), "eval") {
				return err
			}
			return next(ctx, cmd)
		}
	}})
	s, err := redis.New(client, redis.Options{})
	require.NoError(t, err)
	etag := create(t, s, "k")
	next, err := s.PutIfMatchETag(t.Context(), "k", []byte("y"), etag)
	require.NoError(t, err)
	require.ErrorIs(t, s.PutIfMatch(t.Context(), "k", []byte("z"), etag), s3lect.ErrStoragePrecondition)
	require.NoError(t, s.PutIfMatch(t.Context(), "k", []byte("z"), next))
	for _, created := range []bool{true, false} {
		current, got, err := s.GetOrCreate(t.Context(), "new", []byte("x"), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, created, got)
		assert.Equal(t, "x", string(current))
	}
	require.NoError(t, s.Delete(t.Context(), "k"))
	require.NoError(t, s.Close())
}

func TestACancelledCallEndsThoughTheServerIsStalled(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := open(t, server.URL(url.Values{"timeout": {neverInTests.String()}}))
	etag := create(t, s, "k")
	server.Stall(t)
	for name, call := range map[string]func(ctx context.Context) error{
		"Get":         func(ctx context.Context) error { _, _, err := s.Get(ctx, "k"); return err },
		"PutIfMatch":  func(ctx context.Context) error { return s.PutIfMatch(ctx, "k", []byte("y"), etag) },
		"GetOrCreate": func(ctx context.Context) error { _, _, err := s.GetOrCreate(ctx, "k", nil, 0); return err },
		"Delete":      func(ctx context.Context) error { return s.Delete(ctx, "other") },
		"List":        func(ctx context.Context) error { return listError(ctx, s) },
	} {
		cancelled, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(50*time.Millisecond, cancel) // most likely in the middle of the call
		start := time.Now()
		err := call(cancelled)
		timer.Stop()
		require.ErrorIs(t, err, context.Canceled, name)
		assert.Less(t, time.Since(start), prompt, name)
		notTheContract(t, err)

		expiring, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start = time.Now()
		require.ErrorIs(t, call(expiring), context.DeadlineExceeded, name)
		cancel()
		assert.Less(t, time.Since(start), prompt, name)
	}
	start := time.Now()
	require.NoError(t, s.Close())
	assert.Less(t, time.Since(start), prompt, "closing the connections ends what was left behind")
	server.Continue(t)
}

// blocked opens a storage whose client takes commands and does not end with their contexts.
func blocked(t *testing.T) (s *redis.Storage, taken <-chan goredis.Cmder, release func()) {
	t.Helper()
	commands, released := make(chan goredis.Cmder, 1), make(chan struct{})
	s = openHooked(t, func(_ context.Context, cmd goredis.Cmder) error {
		commands <- cmd
		<-released
		return errors.New("released")
	})
	return s, commands, func() { close(released) }
}

func TestCloseWaitsForCallsThatWereLeftBehind(t *testing.T) {
	t.Parallel()
	s, taken, release := blocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.PutIfMatch(ctx, "k", nil, "") }()
	<-taken
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)

	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("Close has not waited: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	release()
	require.NoError(t, <-closed)
}

func TestBytesMayBeReusedAfterACancelledCall(t *testing.T) {
	t.Parallel()
	s, taken, release := blocked(t)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	data := []byte("mine")
	result := make(chan error, 1)
	go func() { result <- s.PutIfMatch(ctx, "k", data, "") }()
	cmd := <-taken
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	copy(data, "XXXX")
	args := cmd.Args()
	value, ok := args[len(args)-1].([]byte)
	require.True(t, ok)
	assert.True(t, strings.HasSuffix(string(value), "\nmine"))
}

func TestAClosedStorageRefusesCalls(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	for _, address := range []string{server.URL(nil), "redis://127.0.0.1:1?cluster=true", "redis://127.0.0.1:1?master_name=m"} {
		s, err := redis.Open(address)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		for _, err := range everyCall(t.Context(), s, "k") {
			notTheContract(t, err, "closed")
		}
		notTheContract(t, listError(t.Context(), s), "closed")
	}
	assert.Zero(t, calls(t, server.Client(t), "getrange"))
}

func TestAStorageGoesOnAfterItsServerWasAway(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, redisserver.WithDisk())
	s := open(t, server.URL(nil))
	etag := create(t, s, "k")
	server.Kill()
	notTheContract(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag))
	server.Restart(t)
	require.Eventually(t, func() bool { return s.PutIfMatch(t.Context(), "k", []byte("y"), etag) == nil },
		time.Minute, 10*time.Millisecond, "the version is what it was")
}

func TestAClusterThatMovesItsSlotsIsFollowed(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t)
	s := open(t, cluster.Nodes[0].URL(url.Values{"cluster": {"true"}}))
	const key = "a" // which the last of the nodes has
	etag := create(t, s, key)
	require.Equal(t, int64(1), cluster.Nodes[2].Client(t).Exists(t.Context(), key).Val())
	replace := func() {
		t.Helper()
		var err error
		etag, err = s.PutIfMatchETag(t.Context(), key, []byte("x"), etag)
		require.NoError(t, err)
		_, got, err := s.Get(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, etag, got)
		_, created, err := s.GetOrCreate(t.Context(), key, nil, 0)
		require.NoError(t, err)
		assert.False(t, created)
	}
	replace()
	cluster.MoveSlot(t, key, 2, 1, replace)
	require.Equal(t, int64(1), cluster.Nodes[1].Client(t).Exists(t.Context(), key).Val())
	replace()
}

// The client of a cluster by itself goes on asking a node that is gone for as long as it takes until
// it next asks for the nodes, which may be longer than a lease.
func TestANodeThatIsGoneIsNotAskedForLong(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t)
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		Addrs: []string{cluster.Nodes[0].Address, cluster.Nodes[1].Address}, ClusterStateReloadInterval: time.Hour,
	})
	defer client.Close()
	s, err := redis.New(client, redis.Options{})
	require.NoError(t, err)
	const key = "a" // which the last of the nodes has
	create(t, s, key)
	cluster.Nodes[2].Kill()
	cluster.TakeSlots(t, 2, 1)
	require.Eventually(t, func() bool { return s.PutIfMatch(t.Context(), key, []byte("y"), "") == nil },
		20*time.Second, 50*time.Millisecond, "the new node is found")
	require.NoError(t, s.Close())
}
