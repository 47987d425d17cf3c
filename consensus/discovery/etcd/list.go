package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/connectivity"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery/internal/directory"
)

func (s *source) List(ctx context.Context) ([]directory.Entry, error) {
	client, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	entries, _, err := s.read(ctx, client)
	return entries, err
}

// read returns the list and the revision it is of.
func (s *source) read(ctx context.Context, client *clientv3.Client) ([]directory.Entry, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answer, err := client.Get(ctx, s.options.Prefix, clientv3.WithPrefix(), clientv3.WithLimit(directory.Limit+1))
	if err != nil {
		return nil, 0, err
	}
	entries := make([]directory.Entry, 0, len(answer.Kvs))
	for _, kv := range answer.Kvs {
		entries = append(entries, s.entry(kv))
	}
	return entries, answer.Header.Revision, nil
}

func (s *source) entry(kv *mvccpb.KeyValue) directory.Entry {
	entry := directory.Entry{Name: fmt.Sprintf("key %q", kv.Key)}
	if err := json.Unmarshal(kv.Value, &entry.Node); err != nil {
		entry.Err = fmt.Errorf("its value is not a node as JSON: %w", err)
	} else if id := strings.TrimPrefix(string(kv.Key), s.options.Prefix); id != entry.Node.ID {
		entry.Err = fmt.Errorf("its value is of the node %.128q", entry.Node.ID)
	}
	return entry
}

// Follow reads the list again whenever a key under the prefix has changed.
func (s *source) Follow(ctx context.Context, send func([]directory.Entry)) error {
	client, err := s.connected(ctx)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		entries, revision, err := s.read(ctx, client)
		if err != nil {
			return err
		}
		send(entries)
		if err := s.waitForChange(ctx, client, revision); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// waitForChange returns nil when there is a change after the revision, or when etcd does not remember whether there was.
func (s *source) waitForChange(ctx context.Context, client *clientv3.Client, revision int64) error {
	ctx, cancel := context.WithCancel(ctx)
	// The client would go on after an outage as if there had been none. It has to be noticed, and told of.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client.ActiveConnection().WaitForStateChange(ctx, connectivity.Ready)
		cancel()
	}()
	defer func() {
		cancel()
		<-ended
	}()
	changes := client.Watch(clientv3.WithRequireLeader(ctx), s.options.Prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	for change := range changes {
		err := change.Err()
		switch {
		case errors.Is(err, rpctypes.ErrCompacted):
			return nil
		case err != nil:
			return fmt.Errorf("watch: %w", err)
		case len(change.Events) > 0:
			return nil
		}
	}
	return errors.New("connection lost")
}
