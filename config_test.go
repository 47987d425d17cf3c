package s3lect

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultsFillInAroundWhatIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		given                       ElectorConfig
		frequent, infrequent, lease time.Duration
	}{
		"nothing":            {ElectorConfig{}, 5 * time.Second, 30 * time.Second, 15 * time.Second},
		"a short lease":      {ElectorConfig{LeaderTimeout: 3 * time.Second}, time.Second, 30 * time.Second, 3 * time.Second},
		"a long lease":       {ElectorConfig{LeaderTimeout: time.Minute}, 5 * time.Second, 30 * time.Second, time.Minute},
		"rare renewals":      {ElectorConfig{LeaderTimeout: time.Hour, FrequentInterval: time.Minute}, time.Minute, time.Minute, time.Hour},
		"intervals as given": {ElectorConfig{FrequentInterval: time.Second, InfrequentInterval: 2 * time.Second}, time.Second, 2 * time.Second, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			config := c.given
			config.LockfilePath, config.ServerID, config.ServerAddr = "k", "a", "h:1"
			require.NoError(t, config.Validate())
			assert.Equal(t, c.frequent, config.FrequentInterval)
			assert.Equal(t, c.infrequent, config.InfrequentInterval)
			assert.Equal(t, c.lease, config.LeaderTimeout)
			assert.Equal(t, "/health/leadership", config.PeerHealthPath)
			assert.Equal(t, min(3*time.Second, c.lease/5), config.PeerTimeout)
		})
	}
}

func TestConfigurationThatCannotWorkIsRefusedByTheNameOfTheField(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*ElectorConfig)
		want   string
	}{
		"no key":                   {func(c *ElectorConfig) { c.LockfilePath = "" }, "LockfilePath is required"},
		"endless key":              {func(c *ElectorConfig) { c.LockfilePath = strings.Repeat("k", 2000) }, "LockfilePath is 2000 bytes"},
		"key not UTF-8":            {func(c *ElectorConfig) { c.LockfilePath = "\xff" }, "LockfilePath"},
		"no ID":                    {func(c *ElectorConfig) { c.ServerID = "" }, "ServerID is required"},
		"endless ID":               {func(c *ElectorConfig) { c.ServerID = strings.Repeat("i", 2000) }, "ServerID is 2000 bytes"},
		"ID not UTF-8":             {func(c *ElectorConfig) { c.ServerID = "\xff" }, "ServerID"},
		"no address":               {func(c *ElectorConfig) { c.ServerAddr = "" }, "ServerAddr is required"},
		"address without port":     {func(c *ElectorConfig) { c.ServerAddr = "localhost" }, "must be host:port"},
		"address without host":     {func(c *ElectorConfig) { c.ServerAddr = ":8443" }, "must be host:port"},
		"address that is a URL":    {func(c *ElectorConfig) { c.ServerAddr = "https://localhost:8443" }, "must be host:port"},
		"address with credentials": {func(c *ElectorConfig) { c.ServerAddr = "user@localhost:8443" }, "must be host:port"},
		"port that is none":        {func(c *ElectorConfig) { c.ServerAddr = "localhost:https" }, "port \"https\""},
		"port 0":                   {func(c *ElectorConfig) { c.ServerAddr = "localhost:0" }, "port \"0\""},
		"port too high":            {func(c *ElectorConfig) { c.ServerAddr = "localhost:65536" }, "port \"65536\""},
		"negative lease":           {func(c *ElectorConfig) { c.LeaderTimeout = -time.Second }, "LeaderTimeout -1s"},
		"tiny lease":               {func(c *ElectorConfig) { c.LeaderTimeout = time.Millisecond }, "LeaderTimeout 1ms"},
		"endless lease":            {func(c *ElectorConfig) { c.LeaderTimeout = 2 * time.Hour }, "LeaderTimeout 2h0m0s"},
		"negative frequent":        {func(c *ElectorConfig) { c.FrequentInterval = -1 }, "FrequentInterval -1ns"},
		"renewal at the lease":     {func(c *ElectorConfig) { c.FrequentInterval = 15 * time.Second }, "FrequentInterval 15s must be at most four fifths"},
		"negative infrequent":      {func(c *ElectorConfig) { c.InfrequentInterval = -1 }, "InfrequentInterval -1ns"},
		"infrequent the shorter":   {func(c *ElectorConfig) { c.InfrequentInterval = time.Second }, "InfrequentInterval 1s"},
		"path without slash":       {func(c *ElectorConfig) { c.PeerHealthPath = "health" }, "PeerHealthPath"},
		"path that is a pattern":   {func(c *ElectorConfig) { c.PeerHealthPath = "/{health" }, "PeerHealthPath"},
		"path with a space":        {func(c *ElectorConfig) { c.PeerHealthPath = "/health of leader" }, "PeerHealthPath"},
		"path with a query":        {func(c *ElectorConfig) { c.PeerHealthPath = "/health?x" }, "PeerHealthPath"},
		"path with a host":         {func(c *ElectorConfig) { c.PeerHealthPath = "//host/health" }, "PeerHealthPath"},
		"negative peer timeout":    {func(c *ElectorConfig) { c.PeerTimeout = -1 }, "PeerTimeout"},
		"CA that is none":          {func(c *ElectorConfig) { c.PeerCACert = []byte("hello") }, "PeerCACert"},
	} {
		t.Run(name, func(t *testing.T) {
			config := testConfig("a")
			c.breaks(config)
			require.ErrorContains(t, config.Validate(), c.want)
		})
	}
}

func TestAddressesOfEveryKindAreAccepted(t *testing.T) {
	for _, addr := range []string{"localhost:8443", "10.0.0.1:1", "[::1]:65535", "replica-1.service.internal:8443"} {
		config := testConfig("a")
		config.ServerAddr = addr
		assert.NoError(t, config.Validate(), addr)
	}
}
