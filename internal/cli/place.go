package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores"
)

// place is where a leader record is.
type place struct{ store, key string }

func (p *place) addFlags(cmd *cobra.Command) {
	p.addStoreFlag(cmd)
	cmd.Flags().StringVar(&p.key, "key", "", "`key` of the leader record on the storage, such as leader.json (required)")
}

func (p *place) addStoreFlag(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&p.store, "store", "", "`URL` of the storage, such as s3://bucket/prefix, redis://host:6379?prefix=jobs or file:///var/lib/jobs (required)")
}

// openShared opens the storage for a command that wants to meet other processes there.
func (a *App) openShared(ctx context.Context, p place) (s3lect.Storage, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return a.openStore(ctx, p.store)
}

// openExisting opens the storage for a command that only looks at what is there: it must not create
// a directory whose name was mistyped.
func (a *App) openExisting(ctx context.Context, p place) (s3lect.Storage, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if dir, ok := stores.Directory(p.store); ok {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("--store %s: there is no such directory", p.store)
		}
	}
	return a.openStore(ctx, p.store)
}

func (p place) check() error {
	switch {
	case p.store == "":
		return missingStore()
	case p.key == "":
		return usageErrorf("--key is required: the key of the leader record, the same for all candidates of one election, such as\n" +
			"  --key leader.json\n" +
			"(or set S3LECT_KEY)")
	case strings.HasPrefix(strings.ToLower(p.store), "mem:"):
		return usageErrorf("--store %s: no other process sees a storage in memory; use a directory (file:///var/lib/jobs) or a bucket (s3://bucket)", p.store)
	}
	return nil
}

func (a *App) openStore(ctx context.Context, url string) (s3lect.Storage, error) {
	if url == "" {
		return nil, missingStore()
	}
	storage, err := a.Open(ctx, url)
	switch {
	case errors.As(err, new(*fs.PathError)): // the URL is fine, the directory is not
		return nil, fmt.Errorf("--store: %w", err)
	case err != nil:
		return nil, usageErrorf("--store: %w", err)
	}
	return storage, nil
}

func missingStore() error {
	return usageErrorf("--store is required: the storage that all candidates share, such as\n" +
		"  --store 's3://bucket/prefix?region=eu-central-1'\n" +
		"  --store 's3://bucket?endpoint=http://localhost:9000'   (a server of your own)\n" +
		"  --store 'redis://localhost:6379?prefix=jobs'\n" +
		"  --store file:///var/lib/jobs\n" +
		"(or set S3LECT_STORE)")
}
