package endpoint

import "fmt"

// Hello is what a node says that connects to another, or sends it a request.
type Hello struct {
	Cluster string // that it belongs to
	From    string // its ID
	To      string // the ID of the node that it wants
}

// Judge says why whoever says hello is not let in by a node.
func (h Hello) Judge(cluster, node string) error {
	switch {
	case h.Cluster != cluster:
		return &ForeignError{Peer: h.From, PeerCluster: h.Cluster, Node: node, Cluster: cluster}
	case h.To != node:
		return fmt.Errorf("node %q wants node %q and this is %q: its address is wrong, or somebody else's now", h.From, h.To, node)
	case h.From == node:
		return fmt.Errorf("a peer calls itself %q, as this node does: IDs must be unique", node)
	default:
		return nil
	}
}

// ForeignError says that two nodes are of different clusters.
type ForeignError struct {
	Peer, PeerCluster string // the other one
	Node, Cluster     string // this one
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("node %q is of cluster %q, this node, %q, of cluster %q: they do not talk to each other",
		e.Peer, e.PeerCluster, e.Node, e.Cluster)
}
