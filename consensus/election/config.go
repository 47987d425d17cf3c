package election

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
)

// Node is a member of the fleet.
type Node struct {
	// ID names the node: 1 to 128 printable characters without spaces, unique in the fleet.
	ID string `json:"id"`
	// Address is the host and port at which the other nodes reach this one. It stands in the votes, so that it is part
	// of the membership and must be the same in every node's configuration.
	Address string `json:"address"`
	// NoVote makes the node watch: it knows who leads, and neither votes nor is ever elected.
	NoVote bool `json:"noVote,omitempty"`
	// Tags are shown by ClusterState and are otherwise without effect. Nodes may be configured with different ones.
	Tags map[string]string `json:"tags,omitempty"`
}

// Callback is told that the node changes its state. The context of EnterLeader ends when the leadership ends; that of
// the others after Config.CallBackTimeout. An error is reported in [Election.Errors] and changes nothing.
//
// Callbacks run one at a time and in the order of what happened, LeaveX before EnterY, on a goroutine of their own. The election
// never waits for them, except that Stop lets the last one finish before it hands leadership on. The next one waits for one
// that overruns CallBackTimeout; the overrun is reported. A callback must not call Stop, which waits for it (go e.Stop(ctx) is
// the way).
type Callback func(ctx context.Context, t Transition) error

// Config describes a node and its fleet.
type Config struct {
	// Node is this node. If it has an ID alone, the rest is taken from Peers. Required.
	Node Node
	// Peers are the other nodes. This one may be among them, so that the list can be the same everywhere. Every node must know
	// the same members; nodes whose lists differ refuse each other.
	Peers []Node
	// Generation numbers the memberships that a fleet has had. Raise it by one on every node whenever an ID, an address or a
	// NoVote changes, or when votes were lost; see the package documentation for how. Terms of a later generation are
	// above all terms of an earlier one. Defaults to 0.
	Generation uint32

	// HeartbeatInterval is how often, at the least, a leader is to be heard of: at most half of ElectionTimeout. The engine beats
	// at random between a tenth and a fifth of ElectionTimeout, whatever is asked for; see [Election.Timing]. Defaults to a fifth of
	// ElectionTimeout.
	HeartbeatInterval time.Duration
	// ElectionTimeout is the least time without a leader after which a node stands for election; the engine draws between once
	// and twice of it. It must be the same on every node. Between 50 ms and 1 h. Defaults to 500 ms.
	ElectionTimeout time.Duration
	// ConnectTimeout is how long a peer may take to connect, and then to answer a message. Half of ElectionTimeout is the most
	// that has an effect: a leader that waits longer for one answer would be deposed meanwhile. Defaults to that.
	ConnectTimeout time.Duration
	// CallBackTimeout is how long a callback may take. Defaults to 10s.
	CallBackTimeout time.Duration

	// EnterLeader is called when this node leads. It should start work that ends with its context, and return.
	EnterLeader Callback
	// LeaveLeader is called when it does not lead any more. The context of EnterLeader has ended by then.
	LeaveLeader Callback
	// EnterFollower is called when the node follows, or waits for, a leader.
	EnterFollower Callback
	// LeaveFollower is called when that is over.
	LeaveFollower Callback
	// EnterCandidate is called when the node stands for election, or asks whether it would be elected.
	EnterCandidate Callback
	// LeaveCandidate is called when that is over.
	LeaveCandidate Callback

	// VotesFile is the path of a file, in a directory that exists, in which the node keeps its votes. It must survive
	// restarts of the machine and belongs to this node alone. Required, unless MemoryVotes is set.
	VotesFile string
	// MemoryVotes keeps the votes in memory instead. DANGER: a node that is restarted forgets its vote and can vote a
	// second time in the same term, so that two nodes can lead in one term, at the same time. Only for tests, and for
	// fleets to which two leaders do no harm.
	MemoryVotes bool

	// Bind is the host and port to listen on. Defaults to Node.Address.
	Bind string
	// TLS encrypts and authenticates both directions: it needs a certificate and the authorities (RootCAs, ClientCAs) that have
	// signed the other nodes'. Nil means neither: whoever can connect can then vote.
	TLS *tls.Config
	// Transport is how nodes reach each other. Defaults to TCP.
	Transport transport.Transport
	// Logger gets what Errors gets, each transition, and the engine's own messages at debug level. Defaults to slog.Default().
	Logger *slog.Logger
}

const (
	defaultElectionTimeout = 500 * time.Millisecond
	defaultCallBackTimeout = 10 * time.Second
	leastElectionTimeout   = 50 * time.Millisecond
	mostElectionTimeout    = time.Hour
	longestID              = 128
)

// complete fills in defaults and returns the configuration that is in force, with the members of the fleet.
func (c Config) complete() (Config, membership, error) {
	c.Node = c.self()
	c.setDefaults()
	members, err := newMembership(c.Generation, c.Node, c.Peers)
	if err := errors.Join(err, c.checkTimes(), c.checkVotes(), c.checkBind()); err != nil {
		return c, membership{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, members, nil
}

// self is Node with what Peers say about it.
func (c Config) self() Node {
	if c.Node.Address != "" {
		return c.Node
	}
	for _, peer := range c.Peers {
		if peer.ID == c.Node.ID {
			return peer
		}
	}
	return c.Node
}

func (c *Config) setDefaults() {
	orDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	orDefault(&c.ElectionTimeout, defaultElectionTimeout)
	orDefault(&c.HeartbeatInterval, c.ElectionTimeout/5)
	orDefault(&c.ConnectTimeout, c.ElectionTimeout/2)
	orDefault(&c.CallBackTimeout, defaultCallBackTimeout)
	if c.Transport == nil {
		c.Transport = tcp.New(tcp.Options{})
	}
	if c.Bind == "" {
		c.Bind = c.Node.Address
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

func (c Config) checkTimes() error {
	switch {
	case c.ElectionTimeout < leastElectionTimeout || c.ElectionTimeout > mostElectionTimeout:
		return fmt.Errorf("ElectionTimeout is %v: it must be between %v and %v",
			c.ElectionTimeout, leastElectionTimeout, mostElectionTimeout)
	case c.HeartbeatInterval < 0:
		return fmt.Errorf("HeartbeatInterval is %v: it must be positive", c.HeartbeatInterval)
	case c.HeartbeatInterval > c.ElectionTimeout/2:
		return fmt.Errorf("HeartbeatInterval of %v is too long for an ElectionTimeout of %v: one late heartbeat would depose "+
			"the leader; it must be at most half of it", c.HeartbeatInterval, c.ElectionTimeout)
	case c.ConnectTimeout < 0:
		return fmt.Errorf("ConnectTimeout is %v: it must be positive", c.ConnectTimeout)
	case c.CallBackTimeout < 0:
		return fmt.Errorf("CallBackTimeout is %v: it must be positive", c.CallBackTimeout)
	}
	return nil
}

func (c Config) checkVotes() error {
	switch {
	case c.VotesFile == "" && !c.MemoryVotes:
		return errors.New("VotesFile is empty: a node that forgets its vote can vote twice, and two nodes lead; " +
			"give each node a file of its own, or set MemoryVotes where two leaders do no harm")
	case c.VotesFile != "" && c.MemoryVotes:
		return fmt.Errorf("VotesFile is %q and MemoryVotes is set: choose one of them", c.VotesFile)
	}
	return nil
}

func (c Config) checkBind() error {
	if c.Bind == c.Node.Address {
		return nil // checked as the node's
	}
	if _, err := splitAddress(c.Bind); err != nil {
		return fmt.Errorf("where to listen (Bind): %w", err)
	}
	return nil
}

// check says whether a node can be a member.
func (n Node) check() error {
	switch {
	case n.ID == "":
		return fmt.Errorf("the node at %q has no ID", n.Address)
	case len(n.ID) > longestID:
		return fmt.Errorf("ID %.20q... has %d bytes: %d are allowed", n.ID, len(n.ID), longestID)
	case strings.ContainsFunc(n.ID, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("ID %q has characters that cannot be printed, or spaces", n.ID)
	case n.Address == "":
		return fmt.Errorf("node %s has no address: neither Node nor Peers say where it is", n.ID)
	}
	host, err := splitAddress(n.Address)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.ID, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("node %s: other nodes cannot reach address %q: name a host, and listen on all interfaces with Bind",
			n.ID, n.Address)
	}
	return nil
}

// splitAddress returns the host of a host and port.
func splitAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q is not host:port: %w", address, err)
	}
	if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
		return "", fmt.Errorf("address %q: the port must be a number between 1 and 65535", address)
	}
	return host, nil
}
