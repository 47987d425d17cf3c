// Package discovery is the contract of how the nodes of a consensus cluster learn of each other without being listed. The
// folders below hold the implementations; discoverytest the tests that each of them passes.
package discovery

import "context"

// Node is a member, or a future member, of a cluster.
type Node struct {
	ID      string            `json:"id"`
	Address string            `json:"address"` // host name or IP address
	Port    int               `json:"port"`
	Voter   bool              `json:"voter"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// Discovery knows which nodes there are. It only tells; who is a member is decided by the cluster's leader, in the
// replicated log. All methods are safe for concurrent use.
type Discovery interface {
	// Start connects to whatever keeps the list. An error names it. Every other method fails before.
	Start(ctx context.Context) error
	// Stop ends all goroutines and connections and withdraws what this process has registered. Channels of Watch are closed.
	Stop(ctx context.Context) error
	// Register puts a node on the list, or changes its entry, and keeps it there until Unregister, Stop or, some time later,
	// the end of the process. Lists that are kept by somebody else (DNS, static) take it without doing anything.
	Register(ctx context.Context, node Node) error
	// Unregister takes a node off the list. One that is not there is no error.
	Unregister(ctx context.Context, id string) error
	// GetNodes asks for the list, in the order of the IDs.
	GetNodes(ctx context.Context) ([]Node, error)
	// Watch sends the whole list now and after each change, in the order of the IDs, until ctx ends. A slow reader gets the newest
	// list and may miss older ones. While the list cannot be read nothing is sent: what cannot be seen is not gone.
	Watch(ctx context.Context) (<-chan []Node, error)
}
