// Package transport is the contract of how the nodes of a consensus cluster reach each other. The folders below
// hold the transports; transporttest the tests that each of them passes.
package transport

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// Transport opens a node's end of the network. A Transport may be used by several nodes.
type Transport interface {
	// Open binds the address and begins to answer. An address that cannot be bound is an error that names it.
	Open(Config) (Endpoint, error)
}

// Endpoint is what the Raft engine sends and receives its messages with. It hands pre-votes on: an endpoint that
// cannot would keep every node from being elected. Close ends all connections and goroutines and frees the address.
// Every call to a peer ends by itself some time after Config.Timeout, whatever the peer does; that of a snapshot after
// as long as its size asks for.
type Endpoint interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// Config is what a node tells its transport.
type Config struct {
	// ClusterID is compared when two nodes meet. Nodes of another cluster are refused, and both sides say so.
	ClusterID string
	// NodeID is this node's.
	NodeID string
	// Bind is the host and port to listen on; the port may be 0.
	Bind string
	// Advertise is the host and port that other nodes are told; empty means the address that was bound.
	Advertise string
	// TLS is used for both directions, with certificates demanded from both sides. Nil means neither encryption nor
	// authentication.
	TLS *tls.Config
	// Timeout is how long a peer may take for one message. It is longer for snapshots, by their size.
	Timeout time.Duration
	// MaxMessage is the size in bytes up to which a message of a peer is read; snapshots are streams and not bounded by it.
	MaxMessage int
	// Logger is never nil.
	Logger *slog.Logger
}
