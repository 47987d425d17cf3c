package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const statusLong = `Show the leader record: who leads, since which term, for how long.

Of a leader that has resigned, the JSON form has lastLeaderID in the place of
leaderID.

A record alone cannot tell whether its leader is still alive: what counts is
whether the record changes. With --wait the record is read until it does, or
until the lease has passed. The age shown is by the wall clocks of two machines,
and for information only.

Exit status:
  0  the record names a leader (with --wait: which renewed)
  1  the record could not be read
  2  wrong usage
  3  nobody leads: no record yet, resigned (with --wait: or the lease ran out)
  4  the object is not a leader record`

func (a *App) newStatusCommand() *cobra.Command {
	var (
		p      place
		wait   bool
		lease  time.Duration
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "status --store URL --key KEY",
		Short: "Show who leads",
		Long:  statusLong,
		Example: `  s3lect status --store file:///tmp/jobs --key leader.json
  s3lect status --store file:///tmp/jobs --key leader.json --wait
  s3lect status --store 's3://bucket/jobs' --key leader.json --json | jq -r '.leaderID // "nobody"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lease <= 0 {
				return usageErrorf("--lease %v must be positive", lease)
			}
			storage, err := a.openExisting(cmd.Context(), p)
			if err != nil {
				return err
			}
			r, err := read(cmd.Context(), storage, p.key)
			if err == nil && wait && r.State == stateHeld {
				r, err = settle(cmd.Context(), storage, r, r.lease(lease))
			}
			if err != nil {
				return err
			}
			return a.showStatus(r, asJSON)
		},
	}
	p.addFlags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "read until the leader renews or its lease has passed")
	cmd.Flags().DurationVar(&lease, "lease", s3lect.DefaultLeaderTimeout, "`time` to wait where the record names no lease")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// settle watches a held record until it changes or a lease has passed since the first reading.
func settle(ctx context.Context, storage s3lect.Storage, first reading, lease time.Duration) (reading, error) {
	expiry := time.Now().Add(lease)
	for {
		left := time.Until(expiry)
		if err := pause(ctx, min(left, max(lease/20, time.Millisecond))); err != nil {
			return reading{}, err
		}
		r, err := read(ctx, storage, first.Key)
		switch {
		case err != nil && time.Until(expiry) > 0:
			continue // the last word has not been spoken
		case err != nil:
			return r, err
		case r.version() != first.version() && r.State == stateHeld:
			r.State = stateAlive
			return r, nil
		case r.State != stateHeld:
			return r, nil
		case time.Until(expiry) <= 0:
			r.State = stateExpired
			return r, nil
		}
	}
}

func (a *App) showStatus(r reading, asJSON bool) error {
	var err error
	if asJSON {
		err = writeJSON(a.Stdout, r)
	} else {
		err = r.write(a.Stdout)
	}
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	switch r.State {
	case stateAbsent, stateResigned, stateExpired:
		return &exitError{code: exitNobody}
	case stateBad:
		return &exitError{code: exitBad}
	}
	return nil
}

// stateTexts say what a state means.
var stateTexts = map[string]string{
	stateHeld:     "led, if the leader is alive (see --wait)",
	stateResigned: "nobody leads: the last leader has resigned",
	stateAbsent:   "nobody leads: there is no record yet",
	stateBad:      "not a leader record",
	stateAlive:    "led: the leader is alive",
	stateExpired:  "nobody leads: the leader did not renew for its whole lease",
	stateFailed:   "the record cannot be read",
}

func (r reading) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, name+"\t"+format+"\n", args...)
	}
	line("state", "%s", stateTexts[r.State])
	if r.Error != "" {
		line("error", "%s", r.Error)
	}
	if r.LeaderID != "" {
		line("leader", "%s", plain(r.LeaderID))
	}
	if r.LeaderAddr != "" {
		line("address", "%s", plain(r.LeaderAddr))
	}
	if r.LastLeaderID != "" {
		line("last leader", "%s", plain(r.LastLeaderID))
	}
	if r.LastLeaderAddr != "" {
		line("its address", "%s", plain(r.LastLeaderAddr))
	}
	if r.State != stateAbsent && r.State != stateBad {
		line("term", "%d", r.Term)
	}
	if r.LeaseMillis > 0 {
		line("lease", "%v", r.lease(0))
	}
	if r.LastUpdated != nil {
		line("updated", "%s (%v ago by this machine's clock)", r.LastUpdated.UTC().Format(time.RFC3339Nano), r.age())
	}
	if r.Sequence > 0 {
		line("sequence", "%d (writes since its holder started)", r.Sequence)
	}
	if r.Successor != "" {
		line("successor", "%s", plain(r.Successor))
	}
	return t.Flush()
}

func (r reading) age() time.Duration { return time.Duration(*r.AgeMillis) * time.Millisecond }

// plain quotes text out of a record that does not belong on a terminal.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
