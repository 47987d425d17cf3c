//go:build linux

package main

import (
	"context"
	"errors"
)

// reads measures linearizable reads of ours, without and with a member that has no vote, and of etcd.
func (b *bench) reads(ctx context.Context) (err error) {
	var contenders []contender
	defer func() { err = errors.Join(err, closeAll(contenders)) }()
	for nonVoters, name := range []string{"three voters", "three voters and a non-voter"} {
		c, err := startCluster(ctx, b.place, clusterConfig{
			store: defaultStore, transport: newTransport("tcp"), election: loadElection, nonVoters: nonVoters,
		})
		if err != nil {
			return err
		}
		contenders = append(contenders, contender{c, name, "tcp"})
	}
	if b.options.etcd {
		e, err := startEtcd(ctx, b.place)
		if err != nil {
			return err
		}
		contenders = append(contenders, contender{e, etcdName, "grpc"})
	}
	rows, err := b.interleaved(ctx, contenders, func(t target) call { return t.Read })
	b.result.Reads = rows
	return err
}
