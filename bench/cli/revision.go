package cli

import (
	"context"
	"io"

	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
)

// revision is the commit that is measured. It is empty where that cannot be known, as in an archive of the sources.
func revision(ctx context.Context, root string) string {
	commit, err := process.Output(ctx, root, io.Discard, "git", "rev-parse", "--short=10", "HEAD")
	if err != nil {
		return ""
	}
	// What a report writes while it goes on, and what writes it, are not measured.
	changes, err := process.Output(ctx, root, io.Discard, "git", "status", "--porcelain", "--",
		".", ":!bench/results", ":!bench/report", ":!docs", ":!README.md")
	if err != nil || changes != "" {
		return commit + " with changes"
	}
	return commit
}
