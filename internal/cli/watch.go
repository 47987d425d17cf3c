package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const watchLong = `Print a line for each change of the leadership, until interrupted: another
leader or term, a resignation, a lease that ran out without a renewal, a record
that cannot be read.

The record is polled, so changes between two reads are missed. Nothing is
written, and watching costs one read per interval.

Exit status: 0 when interrupted, 1 failure, 2 wrong usage`

// timeLayout is how lines about changes begin.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// change is a line of watch. Its JSON form is part of the command's interface.
type change struct {
	Time time.Time `json:"time"`
	reading
}

func (a *App) newWatchCommand() *cobra.Command {
	var (
		p        place
		w        watcher
		asJSON   bool
		interval time.Duration
	)
	cmd := &cobra.Command{
		Use:   "watch --store URL --key KEY",
		Short: "Print a line for each change of the leadership",
		Long:  watchLong,
		Example: `  s3lect watch --store file:///tmp/jobs --key leader.json
  s3lect watch --store 's3://bucket/jobs' --key leader.json --interval 5s --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case interval <= 0:
				return usageErrorf("--interval %v must be positive", interval)
			case w.lease <= 0:
				return usageErrorf("--lease %v must be positive", w.lease)
			}
			storage, err := a.openExisting(cmd.Context(), p)
			if err != nil {
				return err
			}
			w.print = printLine
			if asJSON {
				w.print = printJSON
			}
			return w.watch(cmd.Context(), storage, p.key, interval, a.Stdout)
		},
	}
	p.addFlags(cmd)
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "`time` between two reads")
	cmd.Flags().DurationVar(&w.lease, "lease", s3lect.DefaultLeaderTimeout, "`time` after which a leader counts as silent where the record names no lease")
	cmd.Flags().BoolVar(&w.renewals, "renewals", false, "print renewals too")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// watcher decides which readings are changes.
type watcher struct {
	lease    time.Duration
	renewals bool
	print    func(io.Writer, change) error

	last  reading   // as printed last
	seen  [2]string // the version read last
	since time.Time // when that was read first
}

func (w *watcher) watch(ctx context.Context, storage s3lect.Storage, key string, interval time.Duration, out io.Writer) error {
	for {
		r, err := read(ctx, storage, key) // most errors are shown as a reading, and may pass
		if interrupted(ctx) {
			return nil
		}
		if errors.Is(err, s3lect.ErrStorageKey) {
			return err
		}
		now := time.Now()
		if c, changed := w.next(r, now); changed {
			if err := w.print(out, change{Time: now.UTC(), reading: c}); err != nil {
				return fmt.Errorf("write the change: %w", err)
			}
		}
		_ = pause(ctx, interval)
		if interrupted(ctx) {
			return nil
		}
	}
}

// interrupted is how watching ends; it is no error.
func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

// next returns what is to be printed for a reading, if anything.
func (w *watcher) next(r reading, now time.Time) (reading, bool) {
	renewed := false
	if r.State != stateFailed && r.version() != w.seen {
		renewed = w.renewals
		w.seen, w.since = r.version(), now
	}
	if r.State == stateHeld && now.Sub(w.since) >= r.lease(w.lease) {
		r.State = stateExpired
	}
	changed := renewed || r.leadership() != w.last.leadership()
	if changed {
		w.last = r
	}
	return r, changed
}

func printJSON(w io.Writer, c change) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(c)
}

func printLine(w io.Writer, c change) error {
	text := c.State
	switch c.State {
	case stateHeld:
		text = fmt.Sprintf("%s leads at %s with term %d, lease %v", plain(c.LeaderID), plain(c.LeaderAddr), c.Term, c.lease(0))
	case stateExpired:
		text = fmt.Sprintf("%s with term %d has not renewed for its whole lease", plain(c.LeaderID), c.Term)
	case stateResigned:
		text = fmt.Sprintf("nobody leads: term %d has been resigned", c.Term)
		if c.Successor != "" {
			text += " in favour of " + plain(c.Successor)
		}
		if c.QuorumLost {
			text += " for want of members"
		}
	case stateAbsent:
		text = "nobody leads: there is no record"
	case stateBad, stateFailed:
		text = c.Error
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", c.Time.Format(timeLayout), text)
	return err
}
