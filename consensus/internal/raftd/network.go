package raftd

import (
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/grpc"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
)

// transport returns what connects the nodes.
func (o *Options) transport() (consensus.Transport, error) {
	switch transportName(o.Transport) {
	case TCP:
		return tcp.New(tcp.Options{}), nil
	case GRPC:
		return grpc.New(grpc.Options{}), nil
	}
	return nil, fmt.Errorf("%w: there is no transport %q", consensus.ErrConfig, o.Transport)
}

func transportName(given string) string {
	if given == "" {
		return TCP
	}
	return given
}
