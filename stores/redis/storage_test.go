package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
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

// openPair opens a storage with a prefix, and a client to look at what it does.
func openPair(t *testing.T) (*redis.Storage, *goredis.Client) {
	t.Helper()
	server := redisserver.Start(t)
	return open(t, server.URL(url.Values{"prefix": {"jobs"}})), server.Client(t)
}

// notTheContract demands an error that nobody takes for an answer about the object.
func notTheContract(t *testing.T, err error, says ...string) {
	t.Helper()
	require.Error(t, err)
	assert.NotErrorIs(t, err, s3lect.ErrStorageNotFound)
	assert.NotErrorIs(t, err, s3lect.ErrStoragePrecondition)
	assert.NotErrorIs(t, err, goredis.Nil)
	for _, part := range says {
		assert.ErrorContains(t, err, part)
	}
}

// everyCall makes each call once and returns the errors by the name of the call.
func everyCall(ctx context.Context, s *redis.Storage, key string) map[string]error {
	errs := map[string]error{}
	_, _, errs["Get"] = s.Get(ctx, key)
	errs["PutIfMatch (create)"] = s.PutIfMatch(ctx, key, []byte("x"), "")
	_, errs["PutIfMatchETag (replace)"] = s.PutIfMatchETag(ctx, key, []byte("x"), "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	_, _, errs["GetOrCreate"] = s.GetOrCreate(ctx, key, []byte("x"), time.Hour)
	errs["Delete"] = s.Delete(ctx, key)
	return errs
}

func listError(ctx context.Context, s *redis.Storage) error {
	for _, err := range s.List(ctx, "") {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAValueCanBeReadByPeople(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	etag, err := s.PutIfMatchETag(t.Context(), "leader.json", []byte(`{"term":1}`), "")
	require.NoError(t, err)
	assert.Equal(t, "s3lect1:"+etag+"\n"+`{"term":1}`, client.Get(t.Context(), "jobs/leader.json").Val())
	assert.Len(t, etag, 26)
}

func TestAValueOfAnotherProgramIsLeftAlone(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	ctx := t.Context()
	strangers := map[string]func(key string) error{
		"empty":       func(key string) error { return client.Set(ctx, key, "", time.Hour).Err() },
		"text":        func(key string) error { return client.Set(ctx, key, "foreign", time.Hour).Err() },
		"number":      func(key string) error { return client.Set(ctx, key, "0", time.Hour).Err() },
		"magic alone": func(key string) error { return client.Set(ctx, key, "s3lect1:", time.Hour).Err() },
		"no line end": func(key string) error {
			return client.Set(ctx, key, "s3lect1:"+strings.Repeat("A", 40), time.Hour).Err()
		},
		"almost ours": func(key string) error {
			return client.Set(ctx, key, "s3lect2:"+strings.Repeat("A", 26)+"\nx", time.Hour).Err()
		},
		"short header": func(key string) error {
			return client.Set(ctx, key, "s3lect1:"+strings.Repeat("A", 26), time.Hour).Err()
		},
		"long":       func(key string) error { return client.Set(ctx, key, strings.Repeat("x", 3<<20), time.Hour).Err() },
		"hash":       func(key string) error { return client.HSet(ctx, key, "a", "b").Err() },
		"list":       func(key string) error { return client.LPush(ctx, key, "a").Err() },
		"bits":       func(key string) error { return client.SetBit(ctx, key, 7, 1).Err() },
		"sorted set": func(key string) error { return client.ZAdd(ctx, key, goredis.Z{Member: "a"}).Err() },
		"other versions": func(key string) error {
			return client.XAdd(ctx, &goredis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err()
		},
	}
	for name, set := range strangers {
		require.NoError(t, set("jobs/x"), name)
		before := client.Dump(ctx, "jobs/x").Val()
		for call, err := range everyCall(ctx, s, "x") {
			notTheContract(t, err, `"jobs/x" in Redis at 127.0.0.1:`, "is left as it is")
			require.ErrorIs(t, err, s3lect.ErrStorageForeign)
			assert.Equal(t, before, client.Dump(ctx, "jobs/x").Val(), "%s on %s", call, name)
		}
		require.NoError(t, client.Del(ctx, "jobs/x").Err())
	}
}

// A server that fails over or is restored brings older data back. A write that was based on what
// was lost must not fit what came after it.
func TestAVersionThatWasLostNeverComesBack(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	ctx := t.Context()
	first, err := s.PutIfMatchETag(ctx, "k", []byte("first"), "")
	require.NoError(t, err)
	backup := client.Dump(ctx, "jobs/k").Val()
	lost, err := s.PutIfMatchETag(ctx, "k", []byte("lost"), first)
	require.NoError(t, err)

	require.NoError(t, client.RestoreReplace(ctx, "jobs/k", 0, backup).Err())
	again, err := s.PutIfMatchETag(ctx, "k", []byte("other"), first)
	require.NoError(t, err)
	assert.NotEqual(t, lost, again)
	require.ErrorIs(t, s.PutIfMatch(ctx, "k", []byte("late"), lost), s3lect.ErrStoragePrecondition)
}

func TestAStrangeETagIsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	s, _ := openPair(t)
	etag, err := s.PutIfMatchETag(t.Context(), "k", []byte("x"), "")
	require.NoError(t, err)
	for _, strange := range []string{"x", `"` + etag + `"`, etag + "\n", etag + "\nx", etag[:25], strings.ToLower(etag), "*", "s3lect1:" + etag, strings.Repeat("x", 1<<20)} {
		require.ErrorIs(t, s.PutIfMatch(t.Context(), "k", []byte("y"), strange), s3lect.ErrStoragePrecondition)
	}
	require.NoError(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag))
}

func TestScriptsAreSentAgainToAServerThatForgotThem(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	for range 2 {
		etag, err := s.PutIfMatchETag(t.Context(), "k", []byte("x"), "")
		require.NoError(t, err)
		_, created, err := s.GetOrCreate(t.Context(), "new", []byte("x"), 0)
		require.NoError(t, err)
		assert.True(t, created)
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
		require.NoError(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag))
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
		require.NoError(t, s.Delete(t.Context(), "k"))
		require.NoError(t, s.Delete(t.Context(), "new"))
	}
	assert.Equal(t, 8, calls(t, client, "eval"), "in each round two scripts at first, and one after each flush")
}

// calls is how often the server was given a command.
func calls(t *testing.T, client *goredis.Client, command string) (n int) {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	_, stats, found := strings.Cut(info, "cmdstat_"+command+":calls=")
	if !found {
		return 0
	}
	_, err = fmt.Sscanf(stats, "%d,", &n)
	require.NoError(t, err)
	return n
}

func TestObjectsHaveAtMostOneMebibyte(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	largest, tooLarge := make([]byte, 1<<20), make([]byte, 1<<20+1)
	etag, err := s.PutIfMatchETag(t.Context(), "k", largest, "")
	require.NoError(t, err)
	data, _, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Len(t, data, 1<<20)
	current, created, err := s.GetOrCreate(t.Context(), "k", nil, 0)
	require.NoError(t, err)
	assert.False(t, created)
	assert.Len(t, current, 1<<20)

	notTheContract(t, s.PutIfMatch(t.Context(), "k", tooLarge, etag), "too many", "jobs/k")
	_, _, err = s.GetOrCreate(t.Context(), "large", tooLarge, 0)
	notTheContract(t, err, "too many", "jobs/large")
	_, _, err = s.Get(t.Context(), "large")
	require.ErrorIs(t, err, s3lect.ErrStorageNotFound)

	require.NoError(t, client.Append(t.Context(), "jobs/k", "more than there can be").Err())
	data, _, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Len(t, data, 1<<20+1, "enough to see that it is too large")
}

func TestKeysAreThoseOfTheOtherStorages(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	for _, key := range []string{"", ".", "/a", "a/", "a//b", "../a", "a/./b", "bad\xffutf8"} {
		for call, err := range everyCall(t.Context(), s, key) {
			require.ErrorIs(t, err, s3lect.ErrStorageKey, "%s of %q", call, key)
		}
	}
	assert.Zero(t, client.DBSize(t.Context()).Val())
}

func TestObjectsExpireToTheMillisecond(t *testing.T) {
	t.Parallel()
	s, client := openPair(t)
	ctx := t.Context()
	_, _, err := s.GetOrCreate(ctx, "negative", nil, -time.Second)
	notTheContract(t, err, "-1s is negative")
	for ttl, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, time.Hour + 1: time.Hour + time.Millisecond, 24 * 365 * 200 * time.Hour: 24 * 365 * 200 * time.Hour} {
		_, _, err := s.GetOrCreate(ctx, "k", nil, ttl)
		require.NoError(t, err)
		left := client.PTTL(ctx, "jobs/k").Val()
		assert.InDelta(t, want.Seconds(), left.Seconds(), 30)
		assert.LessOrEqual(t, left.Milliseconds(), want.Milliseconds()+1)
		require.NoError(t, s.Delete(ctx, "k"))
	}
	_, _, err = s.GetOrCreate(ctx, "longest", nil, 1<<63-1)
	require.NoError(t, err)
	_, created, err := s.GetOrCreate(ctx, "brief", nil, 1)
	require.NoError(t, err)
	assert.True(t, created, "less than Redis can tell is not for ever, and no error")
	require.Eventually(t, func() bool {
		_, _, err := s.Get(ctx, "brief")
		return errors.Is(err, s3lect.ErrStorageNotFound)
	}, 10*time.Second, time.Millisecond)

	_, _, err = s.GetOrCreate(ctx, "k", []byte("x"), time.Hour)
	require.NoError(t, err)
	_, etag, err := s.Get(ctx, "k")
	require.NoError(t, err)
	require.NoError(t, s.PutIfMatch(ctx, "k", []byte("y"), etag))
	assert.Greater(t, client.PTTL(ctx, "jobs/k").Val(), 59*time.Minute, "a write keeps the expiry")
	require.NoError(t, s.PutIfMatch(ctx, "plain", []byte("y"), ""))
	assert.Equal(t, time.Duration(-1), client.PTTL(ctx, "jobs/plain").Val(), "what was created without one has none")
	_, _, err = s.GetOrCreate(ctx, "plain", nil, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, time.Duration(-1), client.PTTL(ctx, "jobs/plain").Val(), "and gets none by being found")
}

func TestAListHasAllKeysOfThePrefixAndNoOthers(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	client := server.Client(t)
	ctx := t.Context()
	s := open(t, server.URL(url.Values{"prefix": {`a*[x]?\`}, "pool_size": {"1"}}))
	var want []string
	for i := range 2500 {
		want = append(want, fmt.Sprintf("rounds/%04d.json", i))
		require.NoError(t, s.PutIfMatch(ctx, want[i], []byte("x"), ""))
	}
	for _, other := range []string{`a*[x]?\rounds/1`, `aax?/rounds/1`, `a*[x]?\//x`, `a*[x]?\/`, "rounds/1", "b"} {
		require.NoError(t, client.Set(ctx, other, "x", 0).Err())
	}
	list := func(prefix string) (keys []string) {
		for key, err := range s.List(ctx, prefix) {
			require.NoError(t, err)
			keys = append(keys, key)
		}
		slices.Sort(keys)
		return slices.Compact(keys)
	}
	assert.Equal(t, want, list(""))
	assert.Equal(t, want[100:200], list("rounds/01"))
	assert.Empty(t, list("rounds/*"))
	assert.Empty(t, list("a"))

	for _, err := range s.List(ctx, "") {
		require.NoError(t, err)
		break
	}
	_, _, err := s.Get(ctx, want[0])
	require.NoError(t, err, "a list that was left early has given its connection back")
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, err = range s.List(cancelled, "") {
		cancel()
	}
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.Get(ctx, want[0])
	require.NoError(t, err, "as has one that was cancelled")
}

func TestAListHasTheKeysOfAllNodes(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t)
	s := open(t, cluster.URL(url.Values{"prefix": {"jobs"}}))
	var want, keys []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("%02d.json", i))
		require.NoError(t, s.PutIfMatch(t.Context(), want[i], []byte("x"), ""))
	}
	for key, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	assert.Equal(t, want, keys)
	for _, node := range cluster.Nodes {
		assert.Positive(t, node.Client(t).DBSize(t.Context()).Val(), "else this test would not tell anything")
	}

	cluster.Nodes[1].Kill()
	notTheContract(t, listError(t.Context(), s), `list "jobs/" in Redis cluster at `)
}

func TestDatabasesAndPrefixesKeepThingsApart(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	zero, one := open(t, server.URL(nil)), open(t, strings.Replace(server.URL(nil), server.Address, server.Address+"/1", 1))
	jobs := open(t, server.URL(url.Values{"prefix": {"jobs/"}}))
	require.NoError(t, zero.PutIfMatch(t.Context(), "k", nil, ""))
	require.NoError(t, one.PutIfMatch(t.Context(), "k", nil, ""))
	require.NoError(t, jobs.PutIfMatch(t.Context(), "k", nil, ""))
	_, _, err := zero.Get(t.Context(), "jobs/k")
	assert.NoError(t, err)
}

func TestClientsThatMayReadOldDataAreRefused(t *testing.T) {
	t.Parallel()
	ring := goredis.NewRing(&goredis.RingOptions{})
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, RouteRandomly: true})
	for says, client := range map[string]goredis.UniversalClient{"*redis.Ring cannot be used": ring, "may be behind": cluster} {
		s, err := redis.New(client, redis.Options{})
		require.ErrorContains(t, err, says)
		assert.Nil(t, s)
		_ = client.Close()
	}
	_, err := redis.New(nil, redis.Options{})
	require.ErrorContains(t, err, "<nil> cannot be used")
}

// A user with what the documentation lists, and no more.
func TestDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	admin := server.Client(t)
	require.NoError(t, admin.Do(t.Context(), "acl", "setuser", "elector", "on", ">secret", "~jobs/*",
		"+eval", "+evalsha", "+getrange", "+exists", "+set", "+del").Err())
	address := strings.Replace(server.URL(url.Values{"prefix": {"jobs"}}), "redis://", "redis://elector:secret@", 1)
	s := open(t, address)

	etag, err := s.PutIfMatchETag(t.Context(), "k", []byte("x"), "")
	require.NoError(t, err)
	require.NoError(t, s.PutIfMatch(t.Context(), "k", []byte("y"), etag))
	_, _, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
	_, _, err = s.Get(t.Context(), "missing")
	require.ErrorIs(t, err, s3lect.ErrStorageNotFound)
	_, _, err = s.GetOrCreate(t.Context(), "k", nil, time.Hour)
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "k"))
	notTheContract(t, listError(t.Context(), s), "+scan")

	require.NoError(t, admin.Do(t.Context(), "acl", "setuser", "elector", "+scan").Err())
	require.NoError(t, listError(t.Context(), s))
	other := open(t, strings.Replace(address, "prefix=jobs", "prefix=others", 1))
	for call, err := range everyCall(t.Context(), other, "k") {
		notTheContract(t, err, "access to the keys (~others/*)")
		assert.NotContains(t, err.Error(), "secret", call)
	}
}
