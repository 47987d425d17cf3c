//go:build linux

package main

import (
	"context"
	"errors"
)

// commitRow is what a cluster commits with a number of clients.
type commitRow struct {
	Target    string `json:"target"`
	Transport string `json:"transport"`
	Clients   int    `json:"clients"`
	sample
}

// contender is one of those that are measured side by side.
type contender struct {
	target
	name, transport string
}

// commits measures writes of every store over every transport, of the bare engine in memory, and of etcd.
func (b *bench) commits(ctx context.Context) (err error) {
	var contenders []contender
	defer func() { err = errors.Join(err, closeAll(contenders)) }()
	for _, store := range b.options.stores {
		for _, transport := range b.options.transports {
			c, err := startCluster(ctx, b.place, clusterConfig{store: store, transport: newTransport(transport), election: loadElection})
			if err != nil {
				return err
			}
			contenders = append(contenders, contender{c, store, transport})
		}
	}
	reference, err := startReference(ctx)
	if err != nil {
		return err
	}
	contenders = append(contenders, contender{reference, referenceName, "tcp"})
	if b.options.etcd {
		e, err := startEtcd(ctx, b.place)
		if err != nil {
			return err
		}
		contenders = append(contenders, contender{e, etcdName, "grpc"})
	}
	rows, err := b.interleaved(ctx, contenders, func(t target) call { return writes(t, b.options.commandSize) })
	b.result.Commits = rows
	return err
}

const (
	referenceName = "bare engine, its own log in memory and transport"
	etcdName      = "etcd, in processes of its own"
)

func closeAll(contenders []contender) error {
	var errs []error
	for _, c := range contenders {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// interleaved gives each contender a round with each number of clients, as many times as there are rounds.
func (b *bench) interleaved(ctx context.Context, contenders []contender, loadOf func(target) call) ([]commitRow, error) {
	type key struct{ contender, clients int }
	samples := map[key][]sample{}
	for r := range b.options.rounds {
		for _, clients := range b.options.clients {
			for _, i := range shuffledBy(r, len(contenders)) {
				c := contenders[i]
				s, err := round(ctx, c, clients, b.options.length, loadOf(c))
				if err != nil {
					return nil, err
				}
				samples[key{i, clients}] = append(samples[key{i, clients}], s)
				if err := c.Compact(ctx); err != nil {
					return nil, err
				}
			}
			progress("round %d of %d with %d clients", r+1, b.options.rounds, clients)
		}
	}
	var rows []commitRow
	for i, c := range contenders {
		for _, clients := range b.options.clients {
			rows = append(rows, commitRow{Target: c.name, Transport: c.transport, Clients: clients, sample: medianOf(samples[key{i, clients}])})
		}
	}
	return rows, nil
}
