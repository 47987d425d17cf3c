//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/grpc"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
)

var (
	allStores     = []string{"memory", "bbolt", "badger", "pebble", "postgres"}
	allTransports = []string{"tcp", "grpc"}
)

// defaultStore is what a node with WithDataDir uses.
const defaultStore = "pebble"

func newTransport(name string) transport.Transport {
	if name == "grpc" {
		return grpc.New(grpc.Options{})
	}
	return tcp.New(tcp.Options{})
}

// chosen splits a list that a flag was given, and refuses what is not there.
func chosen(what, list string, all []string) ([]string, error) {
	var names []string
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("-%s: %q is not known: use some of %s", what, name, strings.Join(all, ","))
		}
		names = append(names, name)
	}
	return names, nil
}
