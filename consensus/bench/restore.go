//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// restoreRow is how long a large snapshot takes, and the memory of the processes that handle it.
type restoreRow struct {
	Store string `json:"store"`
	MiB   int    `json:"mib"`
	// Take is how long the leader writes it; Join from the moment a new node is added until its machine has it; Restart
	// from the start of the process until the machine has it again.
	Take    time.Duration `json:"take"`
	Join    time.Duration `json:"join"`
	Restart time.Duration `json:"restart"`
	// Leader and Member are what the two processes use at the end; their peaks count.
	Leader    usage `json:"leader"`
	Member    usage `json:"member"`
	Restarted usage `json:"restarted"`
}

// restore measures how a new node gets a large snapshot from a leader, with each in a process of its own.
func (b *bench) restore(ctx context.Context) error {
	for _, store := range b.options.restoreStores {
		row, err := b.restoreOn(ctx, store)
		if err != nil {
			return err
		}
		b.result.Restore = append(b.result.Restore, row)
		progress("restore on %s: taken in %v, joined in %v, restarted in %v", store, row.Take, row.Join, row.Restart)
	}
	return nil
}

func (b *bench) restoreOn(ctx context.Context, store string) (row restoreRow, err error) {
	peers, err := freePeers(2)
	if err != nil {
		return row, err
	}
	row = restoreRow{Store: store, MiB: b.options.snapshotMiB}
	leader := childConfig{Peer: peers[0], Peers: peers[:1]}
	joining := childConfig{Peer: peers[1]}
	for _, config := range []*childConfig{&leader, &joining} {
		config.Election, config.SnapshotMiB = loadElection, b.options.snapshotMiB
		if config.Disk, err = b.place.newDisk(ctx, store); err != nil {
			return row, err
		}
	}
	defer func() {
		err = errors.Join(err, leader.Disk.remove(context.Background()), joining.Disk.remove(context.Background()))
	}()
	leading, err := startProcess(leader)
	if err != nil {
		return row, err
	}
	defer leading.kill()
	if err := row.takeSnapshot(ctx, leading); err != nil {
		return row, err
	}
	if err := row.join(leading, joining); err != nil {
		return row, err
	}
	err = row.restart(joining)
	return row, err
}

func (row *restoreRow) takeSnapshot(ctx context.Context, leading *process) error {
	for {
		a, err := leading.ask(question{Do: askLeader})
		if err != nil {
			return err
		}
		if a.Yes {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	began := time.Now()
	_, err := leading.ask(question{Do: askSnapshot})
	row.Take = time.Since(began)
	return err
}

func (row *restoreRow) join(leading *process, joining childConfig) error {
	member, err := startProcess(joining)
	if err != nil {
		return err
	}
	defer member.kill()
	began := time.Now()
	if _, err := leading.ask(question{Do: askAdd, Peer: consensus.PeerConfig{ID: joining.Peer.ID, Address: joining.Peer.Address, Port: joining.Peer.Port}}); err != nil {
		return err
	}
	if _, err := member.ask(question{Do: askRestored}); err != nil {
		return err
	}
	row.Join = time.Since(began)
	if row.Leader, err = usageOf(leading); err != nil {
		return err
	}
	if row.Member, err = usageOf(member); err != nil {
		return err
	}
	return member.stop()
}

func (row *restoreRow) restart(joining childConfig) error {
	began := time.Now()
	member, err := startProcess(joining)
	if err != nil {
		return err
	}
	defer member.kill()
	if _, err := member.ask(question{Do: askRestored}); err != nil {
		return err
	}
	row.Restart = time.Since(began)
	row.Restarted, err = usageOf(member)
	return err
}

func usageOf(p *process) (usage, error) {
	a, err := p.ask(question{Do: askUsage})
	return a.Usage, err
}
