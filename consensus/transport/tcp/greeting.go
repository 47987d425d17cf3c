package tcp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus/transport/internal/endpoint"
)

// magic begins each greeting; its last byte is the version of everything that follows.
const magic = "s3lraft\x01"

// The first byte of what TLS sends in a handshake, and in an alert.
const (
	tlsHandshake = 0x16
	tlsAlert     = 0x15
)

// hello is what the side that connects says, and welcome what it is told: magic, then strings of up to 255 bytes with
// their length before them.
type hello struct{ endpoint.Hello }

type welcome struct {
	cluster string
	node    string
	refusal string // empty if the connection is accepted
}

func (h hello) append(b []byte) []byte {
	return appendNames(append(b, magic...), h.Cluster, h.From, h.To)
}

func (w welcome) append(b []byte) []byte {
	return appendNames(append(b, magic...), w.cluster, w.node, w.refusal)
}

func readHello(r *bufio.Reader) (hello, error) {
	names, err := readGreeting(r, "the peer speaks TLS and this node does not: configure a certificate on both or on neither")
	return hello{endpoint.Hello{Cluster: names[0], From: names[1], To: names[2]}}, err
}

func readWelcome(r *bufio.Reader) (welcome, error) {
	names, err := readGreeting(r, "the peer demands TLS and this node has none: configure a certificate on both or on neither")
	return welcome{names[0], names[1], names[2]}, err
}

func appendNames(b []byte, names ...string) []byte {
	for _, name := range names {
		name = name[:min(len(name), 255)]
		b = append(append(b, byte(len(name))), name...)
	}
	return b
}

func readGreeting(r *bufio.Reader, ifTLS string) (names [3]string, err error) {
	var start [len(magic)]byte
	n, err := io.ReadFull(r, start[:])
	if n > 0 && (start[0] == tlsHandshake || start[0] == tlsAlert) {
		return names, errors.New(ifTLS)
	}
	if n == len(magic) && string(start[:]) != magic {
		if strings.HasPrefix(magic, string(start[:len(magic)-1])) {
			return names, fmt.Errorf("the peer speaks version %d of the protocol, this node %d", start[len(magic)-1], magic[len(magic)-1])
		}
		return names, errors.New("the peer is no node of a cluster: it speaks another protocol")
	}
	for i := 0; err == nil && i < len(names); i++ {
		names[i], err = readName(r)
	}
	if err != nil {
		return names, fmt.Errorf("read greeting: %w", err)
	}
	return names, nil
}

func readName(r *bufio.Reader) (string, error) {
	size, err := r.ReadByte()
	if err != nil {
		return "", unexpected(err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", unexpected(err)
	}
	return string(b), nil
}

// judge says why the peer is not the one that was wanted, or what it has against this node.
func (w welcome) judge(cluster, node, wanted string) error {
	switch {
	case w.cluster != cluster:
		return &endpoint.ForeignError{Peer: w.node, PeerCluster: w.cluster, Node: node, Cluster: cluster}
	case w.node != wanted:
		return fmt.Errorf("node %q is there instead: its address is wrong, or somebody else's now", w.node)
	case w.refusal != "":
		return fmt.Errorf("refused by the peer: %s", w.refusal)
	default:
		return nil
	}
}
