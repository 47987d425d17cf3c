package cli

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// placeholderPort stands in a default address: the record must name one, and outside of peer mode
// there is none that s3lect knows of.
const placeholderPort = "8443"

// candidacy is who takes part in an election, and how fast.
type candidacy struct {
	id, addr                    string
	lease, frequent, infrequent time.Duration
}

func (c *candidacy) addIntervalFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&c.lease, "lease", s3lect.DefaultLeaderTimeout, "`time` for which a leader that falls silent keeps others out")
	f.DurationVar(&c.frequent, "frequent", 0, "`time` between renewals, and between reads while the leadership is unsettled (default 5s, or a third of the lease where that is shorter)")
	f.DurationVar(&c.infrequent, "infrequent", 0, "`time` between a follower's reads while the leadership is settled (default 30s, but never beyond the lease)")
}

func (c *candidacy) check() error {
	if c.lease == 0 { // the library would take its default
		return usageErrorf("--lease %v must be positive", c.lease)
	}
	return nil
}

// electorConfig is what the flags say, and what stands in for those that are not given.
func (c *candidacy) electorConfig(key string) *s3lect.ElectorConfig {
	host := hostname()
	return &s3lect.ElectorConfig{
		LockfilePath:  key,
		ServerID:      cmp.Or(c.id, host+"-"+randomName()),
		ServerAddr:    cmp.Or(c.addr, net.JoinHostPort(host, placeholderPort)),
		LeaderTimeout: c.lease, FrequentInterval: c.frequent, InfrequentInterval: c.infrequent,
	}
}

// fieldFlags translates what the library says about its configuration.
var fieldFlags = strings.NewReplacer(
	"LockfilePath", "--key", "ServerID", "--id", "ServerAddr", "--addr",
	"LeaderTimeout", "--lease", "InfrequentInterval", "--infrequent", "FrequentInterval", "--frequent",
	"QuorumSize", "--quorum", "GracePeriod", "--quorum-grace", "ObserverMetadata", "--metadata",
	"PeerHealthPath", "--peer-path", "PeerTimeout", "--peer-timeout",
	"PeerCAFile", "--peer-ca", "PeerCertFile", "--peer-cert", "PeerKeyFile", "--peer-key",
)

// validate checks a configuration, and says what is wrong in the words of the flags.
func (*candidacy) validate(config *s3lect.ElectorConfig) error {
	if config.LockfilePath == "" {
		return nil // opening the storage explains
	}
	if err := config.Validate(); err != nil {
		return usageErrorf("%s", fieldFlags.Replace(err.Error()))
	}
	return nil
}

func hostname() string {
	if host, err := os.Hostname(); err == nil && host != "" && !strings.ContainsAny(host, "/@?# ") {
		return host
	}
	return "localhost"
}

func randomName() string {
	var b [4]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}
