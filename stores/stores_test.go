package stores_test

import (
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores"
	"github.com/seed-6dc909bb/s3lect/stores/redis"
)

func TestFileURLsOpenDirectories(t *testing.T) {
	work, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Chdir(work)
	for address, dir := range map[string]string{
		"file://" + work + "/abs":           work + "/abs",
		"file:" + work + "/abs1":            work + "/abs1",
		"file://localhost" + work + "/abs2": work + "/abs2",
		"FILE:rel":                          work + "/rel",
		"file:./rel1":                       work + "/rel1",
		"file:a/b":                          work + "/a/b",
		"file://./rel2":                     work + "/rel2",
		"file:with%20space%3F":              work + "/with space?",
		"file:a+b":                          work + "/a+b",
	} {
		s, err := stores.Open(t.Context(), address)
		require.NoError(t, err, address)
		require.NoError(t, s.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""), address)
		_, err = os.Stat(filepath.Join(dir, "leader.json"))
		assert.NoError(t, err, address)
	}
}

func TestDirectoryNamesThatOfAFileURLWithoutMakingIt(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, ok := stores.Directory("FILE:a/b")
	assert.True(t, ok)
	assert.Equal(t, filepath.Join("a", "b"), dir)
	assert.NoDirExists(t, "a")
	for _, other := range []string{"s3://bucket", "mem:a", "nonsense", "file:", "file://host/x"} {
		_, ok := stores.Directory(other)
		assert.False(t, ok, other)
	}
}

func TestOneMemURLIsOneStore(t *testing.T) {
	url := "mem:" + rand.Text() // a name lives as long as the process
	first, err := stores.Open(t.Context(), url)
	require.NoError(t, err)
	require.NoError(t, first.PutIfMatch(t.Context(), "leader.json", []byte("x"), ""))
	second, err := stores.Open(t.Context(), url)
	require.NoError(t, err)
	_, _, err = second.Get(t.Context(), "leader.json")
	assert.NoError(t, err)
}

func TestS3URLsOpenBuckets(t *testing.T) {
	s, err := stores.Open(t.Context(), "s3://bucket/prefix?region=eu-west-1&endpoint=http://127.0.0.1:1")
	require.NoError(t, err)
	assert.IsType(t, &s3lect.S3Storage{}, s)
}

func TestRedisURLsOpenServers(t *testing.T) {
	for _, address := range []string{"redis://:secret@127.0.0.1:1/2?prefix=jobs", "REDISS://127.0.0.1"} {
		s, err := stores.Open(t.Context(), address)
		require.NoError(t, err)
		require.IsType(t, &redis.Storage{}, s)
		closer, ok := s.(io.Closer)
		require.True(t, ok)
		assert.NoError(t, closer.Close())
	}
}

func TestBadURLsAreExplained(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	const known = "file:///var/lib/jobs, mem:name, redis://host:6379?prefix=jobs, rediss://host:6379?prefix=jobs, s3://bucket/prefix?region=eu-central-1"
	for address, says := range map[string]string{
		"":                              known,
		"/tmp/jobs":                     `did you mean "file:///tmp/jobs"?`,
		"jobs":                          `the directory "file:jobs" or the bucket "s3://jobs"?`,
		"./a:b":                         "has no scheme",
		`C:\jobs`:                       `did you mean "file:///C:/jobs"?`,
		"ftp://host/x":                  `unknown scheme "ftp"; known are ` + known,
		"etcd://root:PASSWORD@host/x":   `"etcd:...@host/x": unknown scheme "etcd"`,
		"red://host?secret=PASSWORD":    `"red://host?...": unknown scheme "red"`,
		"//:PASSWORD@host":              "has no scheme",
		"access:PASSWORD@bucket/prefix": `unknown scheme "access"`,
		"file:":                         "names no directory",
		"file://":                       "names no directory",
		"file://jobs/x":                 `did you mean "file:///jobs/x" or "file:jobs/x"?`,
		"file:jobs?sync=no":             "takes no parameters",
		"file:///jobs#1":                "%23",
		"file:%zz":                      "invalid URL escape",
		"file://" + file:                file,
		"mem:":                          "named by one word",
		"mem://a":                       "named by one word",
		"s3:bucket":                     "names no bucket",
		"s3://access:PASSWORD@bucket":   "holds credentials",
		"s3://bucket?password=PASSWORD": `unknown parameter "password"`,
		"redis://:PASSWORD@host/jobs":   "?prefix=...",
		"rediss://:PASSWORD@host?x=1":   `unknown parameter "x"`,
	} {
		s, err := stores.Open(t.Context(), address)
		require.Error(t, err, address)
		assert.Nil(t, s, "a storage beside an error")
		assert.ErrorContains(t, err, says, address)
		assert.NotContains(t, err.Error(), "PASSWORD")
	}
}
