package consensus

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/lease"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/mutualtls"
)

const (
	defaultClusterID         = "default"
	defaultElectionTimeout   = 500 * time.Millisecond
	defaultSnapshotInterval  = 2 * time.Minute
	defaultSnapshotThreshold = 8192
	defaultTrailingLogs      = 10240
	defaultMaxCommand        = 1 << 20

	// Below this, an ordinary pause of a garbage collector or a disk looks like a dead leader.
	smallestElectionTimeout = 20 * time.Millisecond
	largestElectionTimeout  = 10 * time.Minute // below lease.LongestPromise
	longestAPIAddress       = 2048
	largestMaxCommand       = 16 << 20
	longestName             = 128
)

type config struct {
	nodeID, clusterID        string
	bindHost                 string
	bindPort                 int
	advertiseHost            string
	advertisePort            int
	apiAddress               string
	peers                    []PeerConfig
	join                     bool
	heartbeat                time.Duration
	electionMin, electionMax time.Duration
	snapshotInterval         time.Duration
	snapshotThreshold        uint64
	trailingLogs             uint64
	machine                  StateMachine
	storage                  Storage
	dataDir                  string
	transport                Transport
	discovery                Discovery
	removeAbsent             time.Duration
	tls                      *tls.Config
	maxCommand               int
	logger                   *slog.Logger
	onRole                   func(from, to Role)
	onLeader                 func(leader string, term uint64)
	onMembers                func(nodes []NodeInfo)
}

func defaultConfig() config {
	return config{
		clusterID:         defaultClusterID,
		bindHost:          "127.0.0.1",
		electionMin:       defaultElectionTimeout,
		snapshotInterval:  defaultSnapshotInterval,
		snapshotThreshold: defaultSnapshotThreshold,
		trailingLogs:      defaultTrailingLogs,
		maxCommand:        defaultMaxCommand,
		logger:            slog.Default(),
	}
}

func configError(format string, arguments ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, arguments...))
}

// check fills in what follows from other options and refuses what cannot work.
func (c *config) check() error {
	if err := checkName("node ID", c.nodeID); err != nil {
		return err
	}
	if err := checkName("cluster ID", c.clusterID); err != nil {
		return err
	}
	if c.machine == nil {
		return configError("no state machine: use WithStateMachine")
	}
	if c.logger == nil {
		return configError("the logger is nil: leave WithLogger out to use slog.Default()")
	}
	for _, check := range []func() error{c.checkStorage, c.checkAddresses, c.checkTiming, c.checkSnapshots, c.checkTLS, c.checkPeers} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) checkStorage() error {
	if c.storage == nil && c.dataDir == "" {
		return fmt.Errorf("%w: %w: use WithDataDir or WithStorage", ErrConfig, ErrStorageUnavailable)
	}
	if c.storage != nil && c.dataDir != "" {
		return configError("WithDataDir and WithStorage are both set: use one of them")
	}
	if c.maxCommand < 1 || c.maxCommand > largestMaxCommand {
		return configError("the largest command is %d bytes: use 1 to %d", c.maxCommand, largestMaxCommand)
	}
	return nil
}

func (c *config) checkAddresses() error {
	if c.bindPort < 0 || c.bindPort > 65535 {
		return configError("port %d to bind: use 0 (any) to 65535", c.bindPort)
	}
	if c.advertiseHost == "" && c.advertisePort != 0 {
		return configError("an advertised port without a host: use WithAdvertiseAddress(host, port)")
	}
	if c.advertiseHost != "" && (c.advertisePort < 0 || c.advertisePort > 65535) {
		return configError("advertised port %d: use 1 to 65535, or 0 for the one that is bound", c.advertisePort)
	}
	if c.advertiseHost == "" && isUnspecified(c.bindHost) {
		return configError("%q is bound, which other machines cannot reach: add WithAdvertiseAddress", c.bindHost)
	}
	if err := c.checkAPIAddress(); err != nil {
		return err
	}
	if c.removeAbsent != 0 && c.discovery == nil {
		return configError("WithRemoveAbsent needs WithDiscovery")
	}
	if c.removeAbsent < 0 {
		return configError("members absent for %v are to be removed: use a positive time", c.removeAbsent)
	}
	return nil
}

// checkAPIAddress bounds what every node keeps of the others.
func (c *config) checkAPIAddress() error {
	if c.apiAddress == "" {
		return nil
	}
	if len(c.apiAddress) > longestAPIAddress {
		return configError("the address of the API has %d bytes: use %d or fewer", len(c.apiAddress), longestAPIAddress)
	}
	u, err := url.Parse(c.apiAddress)
	if err == nil && u.User != nil {
		return configError("the address of the API has a user name or a password in it: every node would be told")
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return configError("the address of the API is %q: use a URL such as http://10.0.0.1:8080 or https://n1.example/raft", c.apiAddress)
	}
	return nil
}

// isUnspecified says whether a host means every address of this machine.
func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func (c *config) checkTiming() error {
	if c.electionMin < smallestElectionTimeout {
		return configError("the least election time-out is %v: use %v or more", c.electionMin, smallestElectionTimeout)
	}
	if c.electionMax == 0 {
		c.electionMax = 2 * c.electionMin
	}
	if c.electionMax < c.electionMin {
		return configError("the largest election time-out, %v, is less than the least, %v", c.electionMax, c.electionMin)
	}
	if c.electionMax > largestElectionTimeout {
		return configError("the largest election time-out is %v: use %v or less", c.electionMax, largestElectionTimeout)
	}
	if c.heartbeat == 0 {
		c.heartbeat = c.electionMin / 5
	}
	if c.heartbeat < 0 || c.heartbeat >= c.electionMin {
		return configError("the heartbeat interval, %v, must be positive and less than the least election time-out, %v",
			c.heartbeat, c.electionMin)
	}
	return nil
}

func (c *config) checkSnapshots() error {
	if c.snapshotInterval < 5*time.Millisecond {
		return configError("the snapshot interval is %v: use 5ms or more", c.snapshotInterval)
	}
	if c.snapshotThreshold == 0 {
		return configError("the snapshot threshold is 0 entries: use 1 or more")
	}
	return nil
}

func (c *config) checkTLS() error {
	if err := mutualtls.Check(c.tls); err != nil {
		return configError("%v", err)
	}
	return nil
}

func (c *config) checkPeers() error {
	if c.join && len(c.peers) > 0 {
		return configError("WithJoin and WithPeers are both set: a node that waits to be added has no list of first members")
	}
	ids, addresses := map[string]bool{}, map[string]string{}
	voters := 0
	for _, peer := range c.peers {
		if err := checkName("ID of a peer", peer.ID); err != nil {
			return err
		}
		if ids[peer.ID] {
			return fmt.Errorf("%w: %w: peer %s is listed twice", ErrConfig, ErrPeerExists, peer.ID)
		}
		ids[peer.ID] = true
		if err := checkPeerAddress(peer.ID, peer.Address, peer.Port); err != nil {
			return err
		}
		if other, taken := addresses[peer.hostPort()]; taken {
			return fmt.Errorf("%w: %w: peers %s and %s have the same address, %s", ErrConfig, ErrPeerExists, other, peer.ID, peer.hostPort())
		}
		addresses[peer.hostPort()] = peer.ID
		if !peer.NonVoter {
			voters++
		}
	}
	if len(c.peers) > 0 && voters == 0 {
		return fmt.Errorf("%w: %w: no peer has a vote", ErrConfig, ErrInsufficientPeers)
	}
	return nil
}

func (p PeerConfig) hostPort() string { return net.JoinHostPort(p.Address, strconv.Itoa(p.Port)) }

func checkPeerAddress(id, address string, port int) error {
	if isUnspecified(address) {
		return configError("node %s has the address %q, which cannot be reached from another machine", id, address)
	}
	if port < 1 || port > 65535 {
		return configError("node %s has the port %d: use 1 to 65535", id, port)
	}
	return nil
}

func checkName(what, name string) error {
	if name == "" {
		return configError("the %s is missing", what)
	}
	if len(name) > longestName {
		return configError("the %s has %d bytes: use %d or fewer", what, len(name), longestName)
	}
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return configError("the %s %q has a character that is not printable ASCII, or a space", what, name)
		}
	}
	return nil
}

// Timing is what is in force of the times that were configured. The engine draws its times at random and
// knows one base for all of them, the least election time-out, so that the other options are limits that are
// checked rather than times that are kept.
type Timing struct {
	HeartbeatMin time.Duration `json:"heartbeatMin"` // least time between two signs of life of a leader
	HeartbeatMax time.Duration `json:"heartbeatMax"` // and the most
	ElectionMin  time.Duration `json:"electionMin"`  // least time without one before a node stands for election
	ElectionMax  time.Duration `json:"electionMax"`  // and the most
	// Lease is how long after a heartbeat was sent that a majority of the voters has answered IsLeader is true.
	Lease time.Duration `json:"lease"`
}

func (c *config) timing() Timing {
	return Timing{
		HeartbeatMin: c.electionMin / 10,
		HeartbeatMax: c.electionMin / 5,
		ElectionMin:  c.electionMin,
		ElectionMax:  2 * c.electionMin,
		Lease:        lease.Duration(c.electionMin),
	}
}
