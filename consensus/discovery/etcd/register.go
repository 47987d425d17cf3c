package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery"
	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

// leasesKept is how many leases that may have been bound to the key are revoked in the end.
const leasesKept = 8

// registration is a key with the leases that it is, or may be, bound to.
type registration struct {
	source *source
	node   discovery.Node
	leases []clientv3.LeaseID
}

func (s *source) Register(node discovery.Node) directory.Registration {
	return &registration{source: s, node: node}
}

func (s *source) key(id string) string { return s.options.Prefix + id }

// Keep puts the key with a new lease, whatever it is bound to, and keeps the lease alive.
func (r *registration) Keep(ctx context.Context, ok func()) error {
	value, err := json.Marshal(r.node)
	if err != nil {
		return err
	}
	client, err := r.source.connected(ctx)
	if err != nil {
		return err
	}
	lease, err := r.put(ctx, client, string(value))
	if err != nil {
		return err
	}
	ok()
	alive, err := client.KeepAlive(ctx, lease)
	if err != nil {
		return fmt.Errorf("keep lease alive: %w", err)
	}
	for range alive {
		if err := r.putBack(ctx, client, lease, string(value)); err != nil {
			return err
		}
	}
	return errors.New("lease was lost")
}

func (r *registration) put(ctx context.Context, client *clientv3.Client, value string) (clientv3.LeaseID, error) {
	ctx, cancel := context.WithTimeout(ctx, r.source.timeout)
	defer cancel()
	ttl := int64((r.source.options.TTL + time.Second - 1) / time.Second)
	grant, err := client.Grant(ctx, ttl)
	if err != nil {
		return 0, fmt.Errorf("make lease: %w", err)
	}
	// The key may be bound to it even if the answer is lost. Older ones run out by themselves.
	r.leases = append(r.leases[max(0, len(r.leases)-leasesKept+1):], grant.ID)
	if _, err := client.Put(ctx, r.source.key(r.node.ID), value, clientv3.WithLease(grant.ID)); err != nil {
		return 0, fmt.Errorf("put key: %w", err)
	}
	r.leases = []clientv3.LeaseID{grant.ID} // the others, bound to nothing, run out
	return grant.ID, nil
}

// putBack puts the key if somebody has removed it.
func (r *registration) putBack(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID, value string) error {
	ctx, cancel := context.WithTimeout(ctx, r.source.timeout)
	defer cancel()
	key := r.source.key(r.node.ID)
	there, err := client.Get(ctx, key, clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("look for key: %w", err)
	}
	if there.Count > 0 {
		return nil
	}
	_, err = client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, value, clientv3.WithLease(lease))).
		Commit()
	if err != nil {
		return fmt.Errorf("put key back: %w", err)
	}
	return nil
}

// Withdraw revokes the leases, which removes the key unless it has been bound to another one.
func (r *registration) Withdraw(ctx context.Context) error {
	if len(r.leases) == 0 {
		return nil
	}
	client, err := r.source.connected(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.source.timeout)
	defer cancel()
	for _, lease := range r.leases {
		if _, err := client.Revoke(ctx, lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return fmt.Errorf("revoke lease: %w", err)
		}
	}
	return nil
}

func (s *source) Remove(ctx context.Context, id string) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = client.Delete(ctx, s.key(id))
	return err
}
