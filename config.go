package s3lect

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// Defaults of [ElectorConfig].
const (
	DefaultFrequentInterval   = 5 * time.Second
	DefaultInfrequentInterval = 30 * time.Second
	DefaultLeaderTimeout      = 15 * time.Second
	DefaultPeerHealthPath     = "/health/leadership"
	DefaultPeerTimeout        = 3 * time.Second
)

// MaxLeaderTimeout is the longest lease that is given or obeyed.
const MaxLeaderTimeout = lease.MaxLease

const (
	minLeaderTimeout = 10 * time.Millisecond
	maxIdentifier    = 1024 // bytes of a ServerID or ServerAddr; keeps a record far below 64 KiB
	maxKey           = 1024 // bytes of an S3 key
	maxQuorum        = 1000 // members; a list of observers holds hardly more
)

// ElectorConfig says who this candidate is and how fast it acts. All candidates of one election
// use the same LockfilePath and should use the same intervals; different ones cost time, never
// safety.
type ElectorConfig struct {
	// LockfilePath is the key of the leader record on the storage. Required.
	LockfilePath string
	// ServerID names this candidate, uniquely within the election. Required.
	ServerID string
	// ServerAddr is host:port at which this candidate can be reached, published in the record.
	// Required.
	ServerAddr string

	// FrequentInterval is the time between two renewals of a leader, and between two reads of a
	// follower while the leadership is unsettled. At most four fifths of LeaderTimeout.
	// Defaults to 5s, or to a third of LeaderTimeout where that is shorter.
	FrequentInterval time.Duration
	// InfrequentInterval is the time between two reads of a follower while the leadership is
	// settled; a follower reads at least every LeaderTimeout all the same. Not below
	// FrequentInterval. Defaults to 30s, or to FrequentInterval where that is longer.
	InfrequentInterval time.Duration
	// LeaderTimeout is the lease: for how long a leader that falls silent keeps others out. It is
	// rounded down to whole milliseconds; at most one hour. Defaults to 15s.
	LeaderTimeout time.Duration

	// PeerMode makes a follower ask the leader, over HTTPS at its ServerAddr, instead of reading the
	// storage. It saves reads and finds out sooner; safety never rests on it. The leader has to
	// serve [NewLeadershipHandler] there, with a [HealthServer] or in a mux of the program; where it
	// does not, the storage is read as without peer mode.
	PeerMode bool
	// NonVoting makes this elector a member that never leads: it follows and waits, and counts for
	// a quorum if it is an observer, but claims nothing. One that leads when this is set resigns.
	NonVoting bool
	// PeerHealthPath is the path at which leaders answer. Defaults to "/health/leadership".
	PeerHealthPath string
	// PeerTimeout bounds one question to the leader, on top of the time for which the leader keeps
	// its answer back. Defaults to 3s, or to a fifth of LeaderTimeout where that is shorter.
	PeerTimeout time.Duration
	// PeerCACert holds PEM certificates that leaders' certificates are checked against. Without
	// them and without a client certificate, http.DefaultTransport is used as it is at the time of
	// the question, with the limits and the connections that it has.
	PeerCACert []byte
	// PeerCAFile names a PEM file of such certificates; both are used where both are given. It is
	// loaded again when it changes.
	PeerCAFile string
	// PeerCertFile and PeerKeyFile name the PEM files of the client certificate with which this
	// follower asks, and of its key. They are loaded again when they change.
	PeerCertFile, PeerKeyFile string
	// PeerCertificate is the client certificate, instead of files.
	PeerCertificate *tls.Certificate

	// ObserverMetadata, unless it is nil, makes this elector an observer under its ServerID: it tells
	// the others that it is there, with these words about itself, as long as it runs. As JSON they
	// may have 1 KiB. See [S3Elector.Observers].
	ObserverMetadata map[string]string
	// QuorumSize is how many members, this one included, have to be active for this one to claim
	// the leadership and to keep it. A member is active while its last heartbeat is younger than
	// LeaderTimeout. Above 1 it makes this elector an observer, too; all members should have the
	// same. A quorum can only end a leadership or withhold one; that no two lead at once never
	// rests on it. Defaults to 0, which asks for nobody, as 1 does.
	QuorumSize int
	// GracePeriod is for how long a leader goes on with too few active members before it steps
	// down. Less than a third of LeaderTimeout is less than the time between two heartbeats, so that
	// one that is late can cost a leadership. Defaults to LeaderTimeout.
	GracePeriod time.Duration

	// OnAcquireLeadership runs when this elector has become the leader; IsLeader is already true,
	// and its context ends with the leadership. Renewals go on while it runs. If it fails,
	// OnLoseLeadership runs, the leadership is given up, and this candidate stands back for a lease.
	OnAcquireLeadership func(ctx context.Context) error
	// OnLoseLeadership runs after a leadership has ended and before it is released;
	// [LeadershipEndOf] its context says why it has ended. An error is logged. Hooks run outside
	// every lock, never two at once, strictly in turns. They must not call Stop, which waits for them;
	// go e.Stop() is the way.
	OnLoseLeadership func(ctx context.Context) error
}

// Validate fills in the defaults and reports the first field that cannot be used, by name. It reads
// the files with certificates.
func (c *ElectorConfig) Validate() error {
	if err := c.validate(); err != nil {
		return err
	}
	return c.peerTLS().check()
}

// changedFrom is Validate for a configuration that replaces a valid one. Certificates that peer mode
// uses already are not looked at again: they may be about to be replaced.
func (c *ElectorConfig) changedFrom(before *ElectorConfig) error {
	if err := c.validate(); err != nil {
		return err
	}
	if turnedOn := c.PeerMode && !before.PeerMode; !turnedOn && c.peerTLS().equal(before.peerTLS()) {
		return nil
	}
	return c.peerTLS().check()
}

// validate is Validate but for the certificates.
func (c *ElectorConfig) validate() error {
	c.setDefaults()
	if err := checkKey(c.LockfilePath); err != nil {
		return err
	}
	if err := checkIdentifier("ServerID", c.ServerID); err != nil {
		return err
	}
	if err := checkAddress("ServerAddr", c.ServerAddr); err != nil {
		return err
	}
	if err := c.checkIntervals(); err != nil {
		return err
	}
	if err := checkPath("PeerHealthPath", c.PeerHealthPath); err != nil {
		return err
	}
	if c.PeerTimeout < 0 || c.PeerTimeout > MaxLeaderTimeout {
		return fmt.Errorf("PeerTimeout %v must be positive, and at most %v", c.PeerTimeout, MaxLeaderTimeout)
	}
	return c.checkMembers()
}

// checkMembers checks what concerns observers and the quorum.
func (c *ElectorConfig) checkMembers() error {
	switch {
	case c.QuorumSize < 0 || c.QuorumSize > maxQuorum:
		return fmt.Errorf("QuorumSize %d must be between 0 and %d", c.QuorumSize, maxQuorum)
	case c.GracePeriod < 0 || c.GracePeriod > MaxLeaderTimeout:
		return fmt.Errorf("GracePeriod %v must not be negative, and be at most %v", c.GracePeriod, MaxLeaderTimeout)
	case !c.observes():
		return nil
	case len(c.LockfilePath)+len(observersSuffix) > maxKey:
		return fmt.Errorf("LockfilePath is %d bytes long; at most %d are allowed with observers, whose key is a little longer", len(c.LockfilePath), maxKey-len(observersSuffix))
	}
	if err := roster.CheckMetadata(c.ObserverMetadata); err != nil {
		return fmt.Errorf("ObserverMetadata: %w", err)
	}
	return nil
}

// observes reports whether the elector registers itself as an observer.
func (c *ElectorConfig) observes() bool { return c.ObserverMetadata != nil || c.QuorumSize > 1 }

// clone returns a copy that shares nothing with the original but its hooks and PeerCertificate.
func (c *ElectorConfig) clone() ElectorConfig {
	copied := *c
	copied.PeerCACert = slices.Clone(c.PeerCACert)
	copied.ObserverMetadata = maps.Clone(c.ObserverMetadata)
	return copied
}

// lease returns the part of the configuration that the protocol needs.
func (c *ElectorConfig) lease() lease.Config {
	return lease.Config{
		ID:         c.ServerID,
		Addr:       c.ServerAddr,
		Lease:      c.LeaderTimeout.Truncate(time.Millisecond),
		Frequent:   c.FrequentInterval,
		Infrequent: c.InfrequentInterval,

		Peers:       c.PeerMode,
		PeerTimeout: c.PeerTimeout,

		NonVoting: c.NonVoting,
		Quorum:    c.QuorumSize > 1,
		Grace:     c.GracePeriod,
	}
}

// peerTLS returns the part of the configuration by which peers know each other.
func (c *ElectorConfig) peerTLS() peerTLS {
	return peerTLS{
		CACert: c.PeerCACert, CAFile: c.PeerCAFile,
		CertFile: c.PeerCertFile, KeyFile: c.PeerKeyFile, Certificate: c.PeerCertificate,
	}
}

func (c *ElectorConfig) setDefaults() {
	if c.LeaderTimeout == 0 {
		c.LeaderTimeout = DefaultLeaderTimeout
	}
	if c.FrequentInterval == 0 {
		c.FrequentInterval = min(DefaultFrequentInterval, c.LeaderTimeout/3)
	}
	if c.InfrequentInterval == 0 {
		c.InfrequentInterval = max(DefaultInfrequentInterval, c.FrequentInterval)
	}
	if c.PeerHealthPath == "" {
		c.PeerHealthPath = DefaultPeerHealthPath
	}
	if c.PeerTimeout == 0 {
		c.PeerTimeout = min(DefaultPeerTimeout, c.LeaderTimeout/5)
	}
	if c.GracePeriod == 0 {
		c.GracePeriod = c.LeaderTimeout
	}
}

func (c *ElectorConfig) checkIntervals() error {
	switch {
	case c.LeaderTimeout < minLeaderTimeout || c.LeaderTimeout > MaxLeaderTimeout:
		return fmt.Errorf("LeaderTimeout %v must be between %v and %v", c.LeaderTimeout, minLeaderTimeout, MaxLeaderTimeout)
	case c.FrequentInterval <= 0:
		return fmt.Errorf("FrequentInterval %v must be positive", c.FrequentInterval)
	case c.FrequentInterval > c.LeaderTimeout*4/5:
		return fmt.Errorf("FrequentInterval %v must be at most four fifths of LeaderTimeout %v: a leader has to renew before its lease runs out; a third of it is a good choice", c.FrequentInterval, c.LeaderTimeout)
	case c.InfrequentInterval < c.FrequentInterval:
		return fmt.Errorf("InfrequentInterval %v must not be below FrequentInterval %v", c.InfrequentInterval, c.FrequentInterval)
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("LockfilePath is required: the key of the leader record on the storage, such as \"leader.json\"")
	case len(key) > maxKey:
		return fmt.Errorf("LockfilePath is %d bytes long; at most %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("LockfilePath %q is not valid UTF-8", key)
	}
	return nil
}

func checkIdentifier(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s is required", field)
	case len(value) > maxIdentifier:
		return fmt.Errorf("%s is %d bytes long; at most %d are allowed", field, len(value), maxIdentifier)
	case !utf8.ValidString(value):
		return fmt.Errorf("%s %q is not valid UTF-8", field, value)
	}
	return nil
}

func checkAddress(field, value string) error {
	if err := checkIdentifier(field, value); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil || !isHost(host) {
		return fmt.Errorf("%s %q must be host:port, such as \"10.0.0.1:8443\"", field, value)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%s %q: port %q must be a number from 1 to 65535", field, value, port)
	}
	return nil
}

// isHost reports whether a host is an IP address or can be a name. Addresses come out of the storage,
// too, and become a part of a URL.
func isHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == "" || isName(addr.Zone())
	}
	return isName(host)
}

func isName(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
	}) < 0
}

// checkPath refuses what is no plain path of a URL, and what http.ServeMux would take for a pattern.
func checkPath(field, value string) error {
	u, err := url.Parse(value)
	switch {
	case !strings.HasPrefix(value, "/"):
		return fmt.Errorf("%s %q must begin with a slash", field, value)
	case err != nil, u.EscapedPath() != value, strings.ContainsAny(value, "{}"):
		return fmt.Errorf("%s %q must be the plain path of a URL, such as %q", field, value, DefaultPeerHealthPath)
	}
	return nil
}
