//go:build linux

package main

import (
	"fmt"
	"net"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// freePeers returns peers on loopback ports that nobody listens on.
func freePeers(count int) ([]consensus.PeerConfig, error) {
	ports, err := freePorts(count)
	if err != nil {
		return nil, err
	}
	var peers []consensus.PeerConfig
	for i, port := range ports {
		peers = append(peers, consensus.PeerConfig{ID: fmt.Sprintf("n%d", i+1), Address: "127.0.0.1", Port: port})
	}
	return peers, nil
}

func freePorts(count int) ([]int, error) {
	var listeners []net.Listener
	defer func() { // at the end, so that all of them differ
		for _, listener := range listeners {
			_ = listener.Close()
		}
	}()
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not block
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		listeners = append(listeners, listener)
		if address, ok := listener.Addr().(*net.TCPAddr); ok {
			ports = append(ports, address.Port)
		}
	}
	return ports, nil
}
