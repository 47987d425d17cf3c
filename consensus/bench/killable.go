//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// killable is a cluster of processes.
type killable struct {
	processes []*process // nil where there is none at the moment
	configs   []childConfig
	leader    int
}

func (b *bench) startKillable(ctx context.Context, election time.Duration) (victims, error) {
	return startProcesses(ctx, b.place, defaultStore, election)
}

func startProcesses(ctx context.Context, p *place, store string, election time.Duration) (*killable, error) {
	peers, err := freePeers(nodesPerCluster)
	if err != nil {
		return nil, err
	}
	k := &killable{processes: make([]*process, len(peers))}
	for i, peer := range peers {
		d, err := p.newDisk(ctx, store)
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		k.configs = append(k.configs, childConfig{Peer: peer, Peers: peers, Disk: d, Election: election})
		if k.processes[i], err = startProcess(k.configs[i]); err != nil {
			return nil, errors.Join(err, k.Close())
		}
	}
	if err := k.ready(ctx); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// ready waits until a node leads and has heard of all others.
func (k *killable) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		for i, p := range k.processes {
			a, err := p.ask(question{Do: askLeader})
			if err != nil {
				return err
			}
			if a.Yes {
				k.leader = i
				return nil
			}
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("no process leads: %w", err)
		}
	}
}

func (k *killable) lose(context.Context) (time.Duration, error) {
	type taken struct {
		answer
		err  error
		when time.Time
	}
	answers := make(chan taken, len(k.processes))
	gone := k.processes[k.leader]
	began := time.Now()
	gone.kill()
	k.processes[k.leader] = nil
	for _, p := range k.processes {
		if p == nil {
			continue
		}
		go func() {
			a, err := p.ask(question{Do: askTakeOver, Peer: consensus.PeerConfig{ID: gone.config.Peer.ID}})
			answers <- taken{a, err, time.Now()}
		}()
	}
	// Both are waited for: a process answers one question after the other.
	var delay time.Duration
	var errs []error
	for range len(k.processes) - 1 {
		a := <-answers
		errs = append(errs, a.err)
		if a.Yes {
			delay = a.when.Sub(began)
		}
	}
	if delay == 0 {
		errs = append(errs, errors.New("nobody has taken over"))
	}
	return delay, errors.Join(errs...)
}

func (k *killable) recover(ctx context.Context) error {
	var err error
	if k.processes[k.leader], err = startProcess(k.configs[k.leader]); err != nil {
		return err
	}
	return k.ready(ctx)
}

// Close ends all processes and removes their data.
func (k *killable) Close() error {
	var errs []error
	for _, p := range k.processes {
		if p != nil {
			p.kill()
		}
	}
	for _, config := range k.configs {
		errs = append(errs, config.Disk.remove(context.Background()))
	}
	return errors.Join(errs...)
}
