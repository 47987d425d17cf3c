package consensus

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

// The contracts that a node is built on, for those who implement one.
type (
	// Storage keeps what must survive; see its package.
	Storage = storage.Storage
	// Transport connects the nodes; see its package.
	Transport = transport.Transport
	// Discovery finds them; see its package.
	Discovery = discovery.Discovery
)

// Option sets one thing of a node. Options that contradict each other are refused by New.
type Option func(*config)

// WithNodeID names the node; required. It stays the same for as long as the node's data does: 1 to 128 printable
// characters without spaces, unique in the cluster.
func WithNodeID(id string) Option { return func(c *config) { c.nodeID = id } }

// WithClusterID names the cluster; "default" if it is not set. Nodes and data of another cluster are refused.
func WithClusterID(id string) Option { return func(c *config) { c.clusterID = id } }

// WithBindAddress sets the host and port to listen on; 127.0.0.1 and a free port if it is not set. A host that other
// machines cannot reach, such as 0.0.0.0, needs WithAdvertiseAddress.
func WithBindAddress(host string, port int) Option {
	return func(c *config) { c.bindHost, c.bindPort = host, port }
}

// WithAdvertiseAddress sets the host and port that other nodes are told, where it is not the one that is bound.
func WithAdvertiseAddress(host string, port int) Option {
	return func(c *config) { c.advertiseHost, c.advertisePort = host, port }
}

// WithAPIAddress sets the URL of an API of this node, such as the admin package's, that the others are told when this node
// leads.
func WithAPIAddress(url string) Option { return func(c *config) { c.apiAddress = url } }

// WithPeers lists the first members of a new cluster, the same on each of them; this node may be left out of its own
// list. A node that has data already goes by its data alone.
func WithPeers(peers []PeerConfig) Option {
	return func(c *config) { c.peers = append([]PeerConfig{}, peers...) }
}

// WithJoin makes a node without data wait until a member adds it, by AddNode or because discovery shows it.
func WithJoin() Option { return func(c *config) { c.join = true } }

// WithHeartbeatInterval sets how often a leader is heard of, at the least; a fifth of the smallest election time-out
// if it is not set. The engine beats at random between a tenth and a fifth of the smallest election time-out, so
// that the value is checked and otherwise without effect; see [Node.Timing] for what is in force.
func WithHeartbeatInterval(d time.Duration) Option { return func(c *config) { c.heartbeat = d } }

// WithElectionTimeoutMin sets the least time without a leader after which a node stands for election; 500 ms. Nodes
// may have different ones, as while it is being changed: each gives no vote for as long as the leader it has answered asks,
// also after it has been started again.
func WithElectionTimeoutMin(d time.Duration) Option { return func(c *config) { c.electionMin = d } }

// WithElectionTimeoutMax sets the most; twice the least. The engine draws between once and twice the least, see
// Node.Timing for what is in force.
func WithElectionTimeoutMax(d time.Duration) Option { return func(c *config) { c.electionMax = d } }

// WithSnapshotInterval sets how often a node looks whether a snapshot is due; 2 minutes. It looks after between once
// and twice this time.
func WithSnapshotInterval(d time.Duration) Option { return func(c *config) { c.snapshotInterval = d } }

// WithSnapshotThreshold sets the number of entries since the last snapshot that makes one due; 8192.
func WithSnapshotThreshold(entries uint64) Option {
	return func(c *config) { c.snapshotThreshold = entries }
}

// WithTrailingLogs sets the number of entries kept behind a snapshot, for followers that are only a little late; 10240.
func WithTrailingLogs(entries uint64) Option { return func(c *config) { c.trailingLogs = entries } }

// WithStateMachine sets what the log drives; required.
func WithStateMachine(machine StateMachine) Option { return func(c *config) { c.machine = machine } }

// WithStorage sets where the node keeps its log, votes and snapshots. The caller closes it after Stop.
func WithStorage(s Storage) Option { return func(c *config) { c.storage = s } }

// WithDataDir has the node keep its log, votes and snapshots in a directory, in the default engine, Pebble. The node
// opens and closes it. Either this or WithStorage is required.
func WithDataDir(path string) Option { return func(c *config) { c.dataDir = path } }

// WithTransport sets how nodes reach each other; TCP if it is not set.
func WithTransport(t Transport) Option { return func(c *config) { c.transport = t } }

// WithDiscovery has the leader add nodes that the discovery shows, and registers this one there. The node starts and stops it.
func WithDiscovery(d Discovery) Option { return func(c *config) { c.discovery = d } }

// WithRemoveAbsent has the leader remove members that the discovery has not shown for this long and that do not answer
// either. Without it, members are removed by RemoveNode only.
func WithRemoveAbsent(after time.Duration) Option { return func(c *config) { c.removeAbsent = after } }

// WithTLS has the nodes talk over mutual TLS. The configuration needs a certificate, or a function for one, for both
// directions, and the authorities that have signed the other nodes' (RootCAs, ClientCAs).
func WithTLS(tlsConfig *tls.Config) Option { return func(c *config) { c.tls = tlsConfig } }

// WithMaxCommandSize sets the size of a command in bytes above which it is refused; 1 MiB. It must be the same on all
// nodes: one with less refuses what its leader sends.
func WithMaxCommandSize(bytes int) Option { return func(c *config) { c.maxCommand = bytes } }

// WithLogger sets where the node and its engine log; slog.Default() if it is not set.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }

// WithOnRoleChange sets a function that is told each change of the node's role. Callbacks of a node are called one after
// the other, in the order of what happened, and may be late; they may call the node, but must not wait for Stop, which waits for them. One that blocks holds up the others.
func WithOnRoleChange(f func(from, to Role)) Option { return func(c *config) { c.onRole = f } }

// WithOnLeaderChange sets a function that is told the ID of each new leader this node hears of, empty when it
// knows of none, and the term.
func WithOnLeaderChange(f func(leader string, term uint64)) Option {
	return func(c *config) { c.onLeader = f }
}

// WithOnMembershipChange sets a function that is told the members after each change.
func WithOnMembershipChange(f func(nodes []NodeInfo)) Option {
	return func(c *config) { c.onMembers = f }
}
