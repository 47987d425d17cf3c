package cli

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// nonVoterSuffix marks a peer that has no vote.
const nonVoterSuffix = "/nonvoter"

// peerList is the value of --peers: ID=HOST:PORT, with commas between them, and /nonvoter behind those without a vote.
type peerList []consensus.PeerConfig

func (p *peerList) String() string {
	parts := make([]string, 0, len(*p))
	for _, peer := range *p {
		part := peer.ID + "=" + net.JoinHostPort(peer.Address, strconv.Itoa(peer.Port))
		if peer.NonVoter {
			part += nonVoterSuffix
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

// Type is what the help shows in the place of a value.
func (p *peerList) Type() string { return "ID=HOST:PORT,..." }

// Set adds peers to the list.
func (p *peerList) Set(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		peer, err := parsePeer(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		for _, other := range *p {
			switch {
			case other.ID == peer.ID:
				return fmt.Errorf("%s is there twice", peer.ID)
			case other.Address == peer.Address && other.Port == peer.Port:
				return fmt.Errorf("%s and %s have the same address", other.ID, peer.ID)
			}
		}
		*p = append(*p, peer)
	}
	return nil
}

func parsePeer(text string) (consensus.PeerConfig, error) {
	id, address, found := strings.Cut(text, "=")
	if !found || id == "" {
		return consensus.PeerConfig{}, fmt.Errorf("%q is not ID=HOST:PORT, such as n1=127.0.0.1:7001", text)
	}
	address, nonVoter := strings.CutSuffix(address, nonVoterSuffix)
	host, port, err := parseAddress(address)
	switch {
	case err != nil:
		return consensus.PeerConfig{}, fmt.Errorf("%q: %w", text, err)
	case host == "":
		return consensus.PeerConfig{}, fmt.Errorf("%q: the host is missing", text)
	case port == 0:
		return consensus.PeerConfig{}, fmt.Errorf("%q: port 0 is none that others can reach", text)
	}
	return consensus.PeerConfig{ID: id, Address: host, Port: port, NonVoter: nonVoter}, nil
}

func parseAddress(text string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:7001", text)
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: the port %q is not a number up to 65535", text, digits)
	}
	return host, int(number), nil
}
