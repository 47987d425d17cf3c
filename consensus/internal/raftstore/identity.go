package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

var identityKey = []byte{spaceIdentity}

// Identity is whom a storage belongs to.
type Identity struct {
	ClusterID string `json:"cluster"`
	NodeID    string `json:"node"`
}

// Claim writes whom an empty storage belongs to. It returns a [*ForeignError] if it belongs to somebody else, and a
// [*CorruptError] if it does not say so although it is not empty.
func Claim(ctx context.Context, s storage.Storage, clusterID, nodeID string) error {
	found, err := ReadIdentity(ctx, s)
	if errors.Is(err, storage.ErrNotFound) {
		return writeIdentity(ctx, s, Identity{ClusterID: clusterID, NodeID: nodeID})
	}
	if err != nil {
		return err
	}
	if found.ClusterID != clusterID || found.NodeID != nodeID {
		return &ForeignError{
			ClusterID: found.ClusterID, NodeID: found.NodeID,
			WantedClusterID: clusterID, WantedNodeID: nodeID,
		}
	}
	return nil
}

// ReadIdentity returns whom a storage belongs to, or an error that is storage.ErrNotFound if it is empty.
func ReadIdentity(ctx context.Context, s storage.Storage) (Identity, error) {
	sealed, err := s.Get(ctx, identityKey)
	if errors.Is(err, storage.ErrNotFound) {
		if err := checkEmpty(ctx, s); err != nil {
			return Identity{}, err
		}
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	plain, err := unseal("identity", identityKey, sealed)
	if err != nil {
		return Identity{}, err
	}
	var found Identity
	if err := json.Unmarshal(plain, &found); err != nil {
		return Identity{}, &CorruptError{What: "identity", Err: err}
	}
	return found, nil
}

// checkEmpty returns an error if there is something on a storage without an identity: something has been lost, and
// the votes may be lost as well.
func checkEmpty(ctx context.Context, s storage.Storage) error {
	pairs, err := s.GetRange(ctx, storage.Range{Limit: 1, KeysOnly: true})
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	if len(pairs) > 0 {
		return &CorruptError{What: "identity", Err: fmt.Errorf("it is missing, though the key %q is there", pairs[0].Key)}
	}
	directory, ok := s.(storage.Directory)
	if !ok {
		return nil
	}
	names, err := snapshotNames(directory.Directory())
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	if len(names) > 0 {
		return &CorruptError{What: "identity", Err: fmt.Errorf("it is missing, though the snapshot %s is there", names[0])}
	}
	return nil
}

func writeIdentity(ctx context.Context, s storage.Storage, identity Identity) error {
	plain, err := json.Marshal(identity)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := s.Set(ctx, identityKey, seal(identityKey, plain)); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}
