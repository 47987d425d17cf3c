package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// place is where a leader record is.
type place struct{ store, key string }

func (p *place) addFlags(cmd *cobra.Command) {
	p.addStoreFlag(cmd)
	cmd.Flags().StringVar(&p.key, "key", "", "`key` of the leader record on the storage, such as leader.json (required)")
}

func (p *place) addStoreFlag(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&p.store, "store", "", "`URL` of the storage, such as s3://bucket/prefix or file:///var/lib/jobs (required)")
}

// openShared opens the storage for a command that wants to meet other processes there.
func (a *App) openShared(ctx context.Context, p place) (s3lect.Storage, error) {
	switch {
	case p.store == "":
		return nil, missingStore()
	case p.key == "":
		return nil, usageErrorf("--key is required: the key of the leader record, the same for all candidates of one election, such as\n" +
			"  --key leader.json\n" +
			"(or set S3LECT_KEY)")
	case strings.HasPrefix(strings.ToLower(p.store), "mem:"):
		return nil, usageErrorf("--store %s: no other process sees a storage in memory; use a directory (file:///var/lib/jobs) or a bucket (s3://bucket)", p.store)
	}
	return a.openStore(ctx, p.store)
}

func (a *App) openStore(ctx context.Context, url string) (s3lect.Storage, error) {
	if url == "" {
		return nil, missingStore()
	}
	storage, err := a.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	return storage, nil
}

func missingStore() error {
	return usageErrorf("--store is required: the storage that all candidates share, such as\n" +
		"  --store 's3://bucket/prefix?region=eu-central-1'\n" +
		"  --store 's3://bucket?endpoint=http://localhost:9000'   (a server of your own)\n" +
		"  --store file:///var/lib/jobs\n" +
		"(or set S3LECT_STORE)")
}
