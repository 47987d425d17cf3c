package redis

import (
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/redisserver"
)

func TestURLsNameServers(t *testing.T) {
	for address, place := range map[string]string{
		"redis://host":                                        "at host:6379",
		"redis://host:1/":                                     "at host:1",
		"redis://[::1]:1/3":                                   "at [::1]:1, database 3",
		"rediss://:HIDDEN@host":                               "at host:6379",
		"redis://user:HIDDEN@host?cluster=false":              "at host:6379",
		"redis://host?cluster=true":                           "cluster at host:6379",
		"redis://host:1?addr=b:2&addr=c:3":                    "cluster at host:1, b:2, c:3",
		"redis://host/0?addr=b:2&cluster=1":                   "cluster at host:6379, b:2",
		"redis://host?master_name=m":                          `primary "m" of sentinels at host:26379`,
		"redis://host:1/2?addr=b:2&master_name=m&cluster=0":   `primary "m" of sentinels at host:1, b:2`,
		"redis://host?master_name=m&sentinel_password=HIDDEN": `primary "m" of sentinels at host:26379`,
	} {
		s, err := Open(address)
		require.NoError(t, err, address)
		assert.Equal(t, place, s.place, address)
		assert.NoError(t, s.Close())
	}
}

func TestAURLSetsUpTheClient(t *testing.T) {
	u, err := parse("redis://us%40er:p%3A%2F%40@host:1/2?timeout=1500ms&pool_size=3&prefix=a/b")
	require.NoError(t, err)
	assert.Equal(t, "a/b", u.prefix)
	client, ok := u.newClient(newWires(nil, 1)).(*goredis.Client)
	require.True(t, ok)
	defer client.Close()
	o := client.Options()
	assert.Equal(t, "us@er", o.Username)
	assert.Equal(t, "p:/@", o.Password)
	assert.Equal(t, 2, o.DB)
	assert.Equal(t, 3, o.PoolSize)
	assert.Equal(t, 1500*time.Millisecond, o.DialTimeout)
	assert.Equal(t, 1500*time.Millisecond, o.PoolTimeout)
	assert.Equal(t, 2500*time.Millisecond, o.ReadTimeout, "of what is no call")
	assert.True(t, o.ContextTimeoutEnabled)
	assert.Zero(t, o.MaxRetries)
	assert.Equal(t, 1, o.DialerRetries)

	u, err = parse("redis://host?cluster=true")
	require.NoError(t, err)
	cluster, ok := u.newClient(newWires(nil, 1)).(*goredis.ClusterClient)
	require.True(t, ok)
	defer cluster.Close()
	assert.Equal(t, defaultTimeout, cluster.Options().DialTimeout)
	assert.Equal(t, reloadInterval, cluster.Options().ClusterStateReloadInterval)
	assert.False(t, cluster.Options().ReadOnly)
}

func TestTLSVerifiesByTheFilesOfTheURL(t *testing.T) {
	files := redisserver.NewFiles(t)
	u, err := parse("rediss://host?server_name=other&ca_file=" + files.CA + "&cert_file=" + files.ClientCert + "&key_file=" + files.ClientKey)
	require.NoError(t, err)
	require.NoError(t, u.loadTLS())
	assert.False(t, u.TLSConfig.InsecureSkipVerify)
	assert.NotNil(t, u.TLSConfig.RootCAs)
	assert.NotNil(t, u.TLSConfig.GetClientCertificate)
	assert.Equal(t, "other", u.TLSConfig.ServerName)

	u, err = parse("rediss://host")
	require.NoError(t, err)
	require.NoError(t, u.loadTLS())
	assert.Nil(t, u.TLSConfig.RootCAs, "the system's")
	assert.Empty(t, u.TLSConfig.ServerName, "each server's own")
}

func TestBadURLsAreExplained(t *testing.T) {
	files := redisserver.NewFiles(t)
	for address, says := range map[string]string{
		"http://host":                              "instead of \"redis\"",
		"redis:":                                   "names no host",
		"redis://":                                 "names no host",
		"redis://:6379":                            "names no host",
		"redis:///0":                               "names no host",
		"redis://HIDDEN@host":                      "user without a password",
		"redis://:HIDDEN@host:port":                "cannot be parsed",
		"redis://:HIDDEN@a:1,b:2":                  "each further one as addr=host:port",
		"redis://:HIDDEN@a,b":                      "each further one as addr=host:port",
		"redis://:HID%ZEN@host":                    "cannot be parsed",
		"redis://host/#1":                          "%23",
		"redis://host/jobs":                        `its path "jobs"`,
		"redis://host/0/jobs":                      "write it as ?prefix=...",
		"redis://host/-1":                          "not the number of a database",
		"redis://:HIDDEN@host?a=%zz":               "parameters cannot be parsed",
		"redis://:HIDDEN@host?x=1":                 `unknown parameter "x"; known are addr, ca_file`,
		"redis://host?prefix=":                     `parameter "prefix" is empty`,
		"redis://host?prefix=a&prefix=b":           `parameter "prefix" is given 2 times`,
		"redis://host?prefix=/a":                   "prefix: key \"/a\" must be",
		"redis://host?prefix=a//b":                 "must be a slash-separated path",
		"redis://host?addr=b":                      `addr is "b"`,
		"redis://host?addr=:1":                     "a host and a port",
		"redis://host?cluster=perhaps":             "true or false",
		"redis://host?cluster=false&addr=b:1":      "leave cluster=false out",
		"redis://host/1?cluster=true":              "a cluster has no database 1",
		"redis://host?cluster=true&master_name=m":  "exclude each other",
		"redis://host?sentinel_password=HIDDEN":    "no master_name",
		"redis://host?timeout=0s":                  "a positive duration",
		"redis://host?timeout=5":                   "a positive duration",
		"redis://host?pool_size=0":                 "a positive number",
		"redis://host?ca_file=x":                   "write rediss: instead",
		"redis://host?server_name=x":               "write rediss: instead",
		"rediss://host?ca_file=/nonexistent":       "ca_file: open /nonexistent",
		"rediss://host?ca_file=" + files.ClientKey: "has no certificate in PEM",
		"rediss://host?cert_file=" + files.CA:      "need each other",
		"rediss://host?cert_file=x&key_file=y":     "cert_file and key_file: open x",
		"redis://host?read_only=true":              "replicas may be behind",
		"redis://host?replica_only=true":           "replicas may be behind",
		"redis://host?route_randomly=true":         "replicas may be behind",
		"redis://host?route_by_latency=true":       "replicas may be behind",
		"redis://host?max_retries=3":               "decides when to try again",
		"rediss://host?skip_verify=true":           "always verified",
		"redis://host?db=1":                        "the URL's path",
		"redis://host?password=HIDDEN":             "before the host",
		"rediss://host?cert_file=" + files.CA + "&key_file=" + files.ClientKey: "does not match",
	} {
		s, err := Open(address)
		require.Error(t, err, address)
		assert.Nil(t, s)
		assert.ErrorContains(t, err, says, address)
		assert.NotContains(t, err.Error(), "HIDDEN")
		assert.NotContains(t, err.Error(), "HID%ZEN")
	}
}

// What is refused as unknown is refused with its reason, and nothing is both known and refused.
func TestRefusedParametersAreNotKnown(t *testing.T) {
	for name := range refused {
		assert.NotContains(t, parameters, name)
	}
}

func FuzzURLsNeverShowTheirPassword(f *testing.F) {
	f.Add("redis://:", "@host:1/2?prefix=a")
	f.Add("redis://user:", "@host:port,x")
	f.Add("rediss://host?sentinel_password=", "&master_name=m")
	f.Add("redis://host?master_name=m&sentinel_password=", "%zz")
	f.Fuzz(func(t *testing.T, before, after string) {
		const password = "7bQx0Lk9"
		// In these places it is no password, and is shown to say what is wrong.
		if strings.ContainsAny(before, "/") && !strings.HasSuffix(before, ":") && !strings.HasSuffix(before, "password=") {
			return
		}
		if strings.HasSuffix(before, ":") && !strings.Contains(after, "@") {
			return
		}
		s, err := Open(before + password + after)
		if err != nil {
			require.NotContains(t, err.Error(), password)
			return
		}
		require.NotContains(t, s.place, password)
		_ = s.Close()
	})
}
