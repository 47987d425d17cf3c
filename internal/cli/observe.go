package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const observeLong = `Take part in an election without ever leading: follow the leader, be shown by
"s3lect status", count for the quorum of "s3lect run --quorum", and print a line
for each change of the leadership, until interrupted.

This is for a machine that may not do the work and should count all the same: a
third voice beside two that lead in turns, for example. Use "s3lect watch" to
merely look: it writes nothing, and is no member.

Give it the --lease of the others: heartbeats come three times in it, and
whoever is silent for that long does not count. Each is a read and a write.
With --peer-ca, --peer-cert and --peer-key it asks the leader over mutual TLS
instead, which is its heartbeat, and the storage is hardly asked any more.
Nothing listens for that: nobody ever asks a member that does not lead.

When interrupted it strikes itself off the list of members. One that is killed
counts until a lease after its last heartbeat.

Lines are on standard output, what the log says on standard error: --log-level
warn leaves out what is there twice.

Exit status: 0 when interrupted, 1 failure, 2 wrong usage`

const observeExample = `  # The third of three, where two may lead with --quorum 2:
  s3lect observe --store 's3://bucket/jobs?region=eu-central-1' --key leader.json \
    --metadata zone=eu-3

  # Asking the leader, who runs in peer mode:
  s3lect observe --store 's3://bucket/jobs?region=eu-central-1' --key leader.json --id c \
    --peer-ca certs/ca.pem --peer-cert certs/c.pem --peer-key certs/c-key.pem

  # For programs:
  s3lect observe --store file:///tmp/jobs --key leader.json --log-level warn --json`

// observeOptions are those of a member that never leads.
type observeOptions struct {
	place
	candidacy
	metadata metadata
	peer     asking
	asJSON   bool
}

func (a *App) newObserveCommand() *cobra.Command {
	var o observeOptions
	cmd := &cobra.Command{
		Use:     "observe --store URL --key KEY",
		Short:   "Be a member that never leads",
		Long:    observeLong,
		Example: observeExample,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.observe(cmd.Context(), &o) },
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.id, "id", "", "`ID` of this member, unique in the election (default the host's name and a random number)")
	f.StringVar(&o.addr, "addr", "", "`HOST:PORT` at which people find this member: told as the metadata addr")
	f.Var(&o.metadata, "metadata", metadataUsage)
	o.addIntervalFlags(cmd)
	o.peer.addFlags(cmd)
	addJSONFlag(cmd, &o.asJSON)
	return cmd
}

func (a *App) observe(ctx context.Context, o *observeOptions) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	config, err := o.electorConfig()
	if err != nil {
		return err
	}
	storage, err := a.openShared(ctx, o.place)
	if err != nil {
		return err
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: log})
	if err != nil {
		return err
	}
	log = log.With("server", config.ServerID)
	if err := tryKey(ctx, storage, o.key, log); err != nil {
		return err
	}
	log.Info("observing the election", "lease", config.LeaderTimeout)
	if err := elector.Start(ctx); err != nil {
		return err
	}
	show := printSightLine
	if o.asJSON {
		show = printSightJSON
	}
	watched := follow(ctx, elector, func(s sight) error { return show(a.Stdout, s) })
	stopped := elector.Stop() // waits until this member is struck off the list
	if watched != nil {
		return fmt.Errorf("write the change: %w", watched)
	}
	return stopped
}

func (o *observeOptions) electorConfig() (*s3lect.ElectorConfig, error) {
	if err := o.candidacy.check(); err != nil {
		return nil, err
	}
	if err := o.peer.check(); err != nil {
		return nil, err
	}
	if told, twice := o.metadata["addr"]; twice && o.addr != "" {
		return nil, usageErrorf("--addr %s and --metadata addr=%s say the same: give one of them", o.addr, told)
	}
	c := o.candidacy.electorConfig(o.key)
	c.NonVoting = true
	c.ObserverMetadata = map[string]string{}
	if o.addr != "" {
		c.ObserverMetadata["addr"] = o.addr
	}
	maps.Copy(c.ObserverMetadata, o.metadata)
	if o.peer.on() {
		o.peer.configure(c)
	}
	return c, o.validate(c)
}

// sight is who leads, as a member sees it. Its JSON form is part of the command's interface.
type sight struct {
	Time       time.Time `json:"time"`
	LeaderID   string    `json:"leaderID,omitempty"`
	LeaderAddr string    `json:"leaderAddr,omitempty"`
	Term       int64     `json:"term"`
}

// follow shows each change of the leadership until the context ends.
func follow(ctx context.Context, elector *s3lect.S3Elector, show func(sight) error) error {
	_, _ = elector.WaitForNextElection(ctx, time.Time{}) // before, nothing is known; it fails at the end only
	var last *sight
	for status := range elector.Watch(ctx) {
		if status.LeaderID == "" && status.LastError != "" {
			continue // the log has it; who leads, nobody can tell
		}
		now := sight{LeaderID: status.LeaderID, LeaderAddr: status.LeaderAddr, Term: status.Term}
		if last != nil && now == *last {
			continue
		}
		last = &now
		shown := now
		shown.Time = time.Now().UTC()
		if err := show(shown); err != nil {
			return err
		}
	}
	return nil
}

func printSightJSON(w io.Writer, s sight) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(s)
}

func printSightLine(w io.Writer, s sight) error {
	text := "nobody leads"
	switch {
	case s.LeaderID != "":
		text = fmt.Sprintf("%s leads at %s with term %d", plain(s.LeaderID), plain(s.LeaderAddr), s.Term)
	case s.Term > 0:
		text = fmt.Sprintf("nobody leads: term %d has ended", s.Term)
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", s.Time.Format(timeLayout), text)
	return err
}
