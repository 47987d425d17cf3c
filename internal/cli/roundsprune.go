package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores"
)

const pruneLong = `Remove the records of rounds of which nothing was heard for a long time: neither
an election nor a completion. The latest round of each system stays, and so does
everything that is not a round.

A round that was removed can be won again. Give a time after which nobody asks
for an old round any more and no job still runs, and mind that ages are by the
clocks of those who recorded them. Less than an hour is refused.

This is for storages on which nothing vanishes by itself, buckets and
directories. Where --retention of "s3lect serve" works, it is not needed.
Every round is read, so this costs as many requests as there are rounds.

Each round that is removed is printed, or would be with --dry-run, and so is the
key of each object below --prefix that is no round: where it is in the place of
one, that round cannot be decided before somebody has moved it away.

--older-than and --dry-run are taken from the command line alone, never from the
environment.

Exit status: 0 success, 1 failure, 2 wrong usage`

type pruneOptions struct {
	place
	prefix    string
	olderThan time.Duration
	dryRun    bool
}

func (a *App) newPruneCommand() *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune --store URL --older-than TIME",
		Short: "Remove old rounds from a storage",
		Long:  pruneLong,
		Example: `  # What would be removed?
  s3lect rounds prune --store 's3://bucket/jobs?region=eu-central-1' --older-than 720h --dry-run

  # Remove it, such as once a day from one machine's crontab:
  s3lect rounds prune --store 's3://bucket/jobs?region=eu-central-1' --older-than 720h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), o) },
	}
	o.addStoreFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.prefix, "prefix", rounds.DefaultPrefix, "`name` that the keys of all rounds begin with on the storage")
	f.DurationVar(&o.olderThan, "older-than", 0, "`time` since something was heard of a round, such as 720h; at least 1h (required)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	markFlagOnly(cmd, "older-than", "dry-run")
	return cmd
}

func (a *App) prune(ctx context.Context, o pruneOptions) error {
	switch {
	case o.olderThan == 0:
		return usageErrorf("--older-than is required: the time since something was heard of a round, such as --older-than 720h")
	case o.olderThan < rounds.MinPruneAge:
		return usageErrorf("--older-than %v is less than %v: clocks of machines differ, and a round that was removed can be won again", o.olderThan, rounds.MinPruneAge)
	}
	storage, err := a.openForRounds(ctx, o.place)
	if err != nil {
		return err
	}
	r, err := rounds.New(storage, rounds.Options{Prefix: o.prefix})
	if err != nil {
		return usageErrorf("--prefix: %w", err)
	}
	verb := "removed"
	if o.dryRun {
		verb = "would remove"
	}
	var old []rounds.State
	result, err := r.Prune(ctx, o.olderThan, rounds.PruneOptions{
		DryRun:        o.dryRun,
		Report:        func(s rounds.State) { old = append(old, s) },
		ReportForeign: func(key string) { fmt.Fprintf(a.Stdout, "left alone %s: no round\n", plain(key)) },
	})
	slices.SortFunc(old, func(x, y rounds.State) int {
		return cmp.Or(cmp.Compare(x.System, y.System), cmp.Compare(x.Round, y.Round))
	})
	for _, s := range old {
		fmt.Fprintf(a.Stdout, "%s %s/%s: %s\n", verb, s.System, s.Round, history(s))
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return usageErrorf("--store %s: this storage cannot tell which objects it has, or not remove them; where objects vanish by themselves, use --retention of \"s3lect serve\"", o.store)
	}
	fmt.Fprintf(a.Stdout, "%s %s, kept %d", verb, count(result.Removed, "round"), result.Kept)
	if result.Foreign > 0 {
		fmt.Fprintf(a.Stdout, ", left alone %s that %s", count(result.Foreign, "object"), plural(result.Foreign, "is no round", "are no rounds"))
	}
	fmt.Fprintln(a.Stdout)
	return err
}

// openForRounds opens the storage for a command that wants to find rounds there.
func (a *App) openForRounds(ctx context.Context, p place) (s3lect.Storage, error) {
	if strings.HasPrefix(strings.ToLower(p.store), "mem:") {
		return nil, usageErrorf("--store %s: no other process sees a storage in memory; name the one that \"s3lect serve\" uses", p.store)
	}
	if dir, ok := stores.Directory(p.store); ok {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("--store %s: there is no such directory", p.store)
		}
	}
	return a.openStore(ctx, p.store)
}

// history tells what has happened in a round.
func history(s rounds.State) string {
	var told []string
	if s.Elected != nil {
		told = append(told, "elected "+happened(s.Elected))
	}
	if s.Completed != nil {
		told = append(told, "completed by "+happened(s.Completed))
	}
	return strings.Join(told, ", ")
}

func happened(e *rounds.Event) string {
	return plain(e.String()) + " at " + e.At.UTC().Format(time.RFC3339)
}

func count(n int, noun string) string { return fmt.Sprintf("%d %s", n, plural(n, noun, noun+"s")) }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
