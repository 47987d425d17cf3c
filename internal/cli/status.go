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

Where members register ("s3lect run --quorum" or --metadata, "s3lect observe",
or programs), they are listed as observers. One look counts everybody as active
who is on the list. With --wait the list is read until each of them was heard of
since, or the lease has passed: then those who were not are inactive.

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
  s3lect status --store 's3://bucket/jobs' --key leader.json --json | jq -r '.leaderID // "nobody"'

  # Who is alive?
  s3lect status --store 's3://bucket/jobs' --key leader.json --wait --json |
    jq -r '.observers[]? | select(.active).id'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lease <= 0 {
				return usageErrorf("--lease %v must be positive", lease)
			}
			storage, err := a.openExisting(cmd.Context(), p)
			if err != nil {
				return err
			}
			s, err := lookAround(cmd.Context(), storage, p.key, lease, wait)
			if err != nil {
				return err
			}
			return a.showStatus(s, asJSON)
		},
	}
	p.addFlags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "read until the leader renews or its lease has passed, and likewise of each observer")
	cmd.Flags().DurationVar(&lease, "lease", s3lect.DefaultLeaderTimeout, "`time` to wait where the record names no lease")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// status is what the storage shows of an election. Its JSON form is part of the command's interface.
type status struct {
	reading
	roll
}

// lookAround reads the record and the list of members, and with wait goes on until it is clear which
// of them are alive.
func lookAround(ctx context.Context, storage s3lect.Storage, key string, lease time.Duration, wait bool) (s status, err error) {
	if s.reading, err = read(ctx, storage, key); err != nil {
		return s, err
	}
	if s.State == stateBad {
		return s, nil // nobody observes an election that cannot be held
	}
	lease = s.lease(lease)
	members, err := newLookout(storage, key, lease)
	if err != nil {
		return s, err
	}
	s.roll = members.look(ctx)
	if !wait {
		return s, nil
	}
	observed, look := len(s.Observers) > 0, func() {}
	if observed {
		look = func() { s.roll = members.look(ctx) }
	}
	if s.State == stateHeld {
		if s.reading, err = settle(ctx, storage, s.reading, lease, look); err != nil {
			return s, err
		}
	}
	for observed && !members.settled(&s.roll) {
		if err := members.pause(ctx); err != nil {
			return s, err
		}
		look()
	}
	return s, nil
}

// settle watches a held record until it changes or a lease has passed since the first reading. It has
// the observers looked at as often.
func settle(ctx context.Context, storage s3lect.Storage, first reading, lease time.Duration, look func()) (reading, error) {
	expiry := time.Now().Add(lease)
	for {
		left := time.Until(expiry)
		if err := pause(ctx, min(left, max(lease/20, time.Millisecond))); err != nil {
			return reading{}, err
		}
		look()
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

func (a *App) showStatus(s status, asJSON bool) error {
	var err error
	if asJSON {
		err = writeJSON(a.Stdout, s)
	} else {
		err = s.write(a.Stdout)
	}
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	switch s.State {
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

func (s status) write(w io.Writer) error {
	t := newTable(w)
	s.reading.lines(t)
	s.roll.lines(t)
	return t.Flush()
}

func (r reading) write(w io.Writer) error {
	t := newTable(w)
	r.lines(t)
	return t.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// lines tell what the record says, name and value.
func (r reading) lines(t io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, name+"\t"+format+"\n", args...)
	}
	state := stateTexts[r.State]
	if r.QuorumLost {
		state = "nobody leads: the last leader has stepped down for want of members"
	}
	line("state", "%s", state)
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
}

func (r reading) age() time.Duration { return time.Duration(*r.AgeMillis) * time.Millisecond }

// plain quotes text out of a record that does not belong on a terminal.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
