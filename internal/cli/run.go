package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/supervise"
)

const runLong = `Contest the leadership, and run the command whenever this process leads.

The command finds its leadership in its environment:

  S3LECT_TERM    the fencing token: it grows with every change of leadership.
                 Whatever the command writes to should refuse lower terms.
  S3LECT_ID      the ID of this candidate
  S3LECT_STORE, S3LECT_KEY   where the record is: "s3lect status" just works

When the leadership ends, also because the storage hangs, the command and all it
has started (its process group) get TERM, and KILL after the grace period, which
always ends before the lease does: after at most a tenth of the lease if it ran
out for lack of renewals. Then s3lect contests again, and the command is run
again with the new term when it leads again.

When the command ends by itself, s3lect releases the leadership and exits with
the command's status, or starts it again with --restart, and goes on leading.
What the command has left in its process group is ended first.

TERM, INT and HUP are forwarded to the command; when it has ended, or was killed
after the grace period, the leadership is released. A second signal kills the
command at once; one more ends s3lect without a release, and the lease has to
run out.

The command never outlives s3lect, not even a killed one, nor its lease where
s3lect itself is stopped (STOP): a small guard process watches over both. What
no process on a machine can promise is that a command is not stopped as a whole,
guard included, and wakes up late for an instant: that is what the term is for.
Processes that leave the process group (daemons, setsid) or change their user
are out of reach.

With --peer-listen, followers ask the leader over mutual TLS instead of reading
the storage: there are hardly any reads left, and when the leader steps down the
next one leads at once. Each member needs the CA and a certificate of its own
("s3lect certs" makes them), which serve both for answering and for asking; they
are loaded again when the files change. Others ask at --addr. Where that is not
reachable, or peer mode is off, the storage is read as ever.

With --quorum, this member leads only while so many members are alive, itself
included; a leader that has too few for --quorum-grace steps down, and whoever
sees too few does not claim. All members should have the same --quorum. Members
with it, or with --metadata, are shown by "s3lect status"; "s3lect observe" adds
members that never lead. Without peer mode each of them costs two requests per
third of a lease.

With --allow-handover, members can end a leadership by "s3lect transfer" and
"s3lect resign".

The command runs in a process group of its own, so it cannot read from the
terminal: where standard input is one, the command gets an empty one. All else
is passed through.

Exit status:
  that of the command, or 128+N if signal N ended it
  125     s3lect itself failed, or was called in a wrong way, with a key
          that the storage can never hold, for example
  126     the command cannot be run
  127     there is no such command
  128+N   signal N came while the command did not run`

const runExample = `  # On two machines or terminals; kill one of them:
  s3lect run --store file:///tmp/jobs --key leader.json --id a -- ./job
  s3lect run --store file:///tmp/jobs --key leader.json --id b -- ./job

  # A worker that is started again when it fails, on S3:
  s3lect run --store 's3://bucket/jobs?region=eu-central-1' --key worker.json \
    --restart=on-failure -- ./worker --verbose

  # Peer mode, on the node "a" of several:
  s3lect certs a b c
  s3lect run --store 's3://bucket/jobs?region=eu-central-1' --key leader.json \
    --id a --addr a:8443 --peer-listen :8443 --allow-handover --peer-ca certs/ca.pem \
    --peer-cert certs/a.pem --peer-key certs/a-key.pem -- ./job

  # Lead only while two of three machines are alive:
  s3lect run --store 's3://bucket/jobs?region=eu-central-1' --key leader.json \
    --quorum 2 --metadata zone=eu-1 -- ./job

  # A fencing token for what the command writes:
  s3lect run --store file:///tmp/jobs --key leader.json -- \
    sh -c 'exec ./job --fencing-token "$S3LECT_TERM"'`

type runOptions struct {
	place
	candidacy
	grace        time.Duration
	restart      restartPolicy
	restartDelay time.Duration
	members      membership
	peer         peerOptions
}

func (a *App) newRunCommand() *cobra.Command {
	o := runOptions{restart: restartNever}
	cmd := &cobra.Command{
		Use:     "run --store URL --key KEY [flags] -- COMMAND [ARGS...]",
		Short:   "Run a command while leading",
		Long:    runLong,
		Example: runExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("run needs a command, after two dashes: s3lect run --store URL --key KEY -- ./job --its-flags")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, o, args) },
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false) // flags after the command's name are the command's
	f.StringVar(&o.id, "id", "", "`ID` of this candidate, unique in the election (default the host's name and a random number)")
	f.StringVar(&o.addr, "addr", "", "`HOST:PORT` to publish in the record, for others to find the leader at (default that of --peer-listen, with the host's name where it has none; without, the host's name and port "+placeholderPort+", at which nothing listens)")
	o.addIntervalFlags(cmd)
	f.DurationVar(&o.grace, "grace", 5*time.Second, "`time` between TERM and KILL, cut short where the lease ends before")
	f.Var(&o.restart, "restart", "when to start the command again after it ended by itself: never, on-failure or always")
	f.Lookup("restart").NoOptDefVal = string(restartAlways)
	completeFlag(cmd, "restart", string(restartNever), string(restartOnFailure), string(restartAlways))
	f.DurationVar(&o.restartDelay, "restart-delay", time.Second, "`time` before the first restart; it doubles up to a minute, until the command has run that long")
	o.members.addFlags(cmd)
	o.peer.addFlags(cmd)
	return cmd
}

func (a *App) run(cmd *cobra.Command, o runOptions, args []string) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	config, err := o.electorConfig()
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return cannotRun(err)
	}
	storage, err := a.openShared(cmd.Context(), o.place)
	if err != nil {
		return err
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: log})
	if err != nil {
		return err
	}
	if err := tryKey(cmd.Context(), storage, o.key, log.With("server", config.ServerID)); err != nil {
		return err
	}
	stopServing, err := o.peer.serve(cmd.Context(), elector, log.With("server", config.ServerID))
	if err != nil {
		return err
	}
	defer stopServing() // after the contest, so that those who wait for its end are answered
	holdSuspension(log)
	c := &contest{
		elector: elector,
		spec: supervise.Spec{
			Args: args, Env: o.environment(a.Environ, config.ServerID),
			Stdin: notTerminal(a.Stdin), Stdout: a.Stdout, Stderr: a.Stderr,
		},
		grace: o.grace, lease: config.LeaderTimeout,
		restart: o.restart, delay: o.restartDelay,
		log: log.With("server", config.ServerID),
	}
	code, err := c.run(cmd.Context(), a.Signals, a.Abort)
	if err == nil && code == exitOK {
		return nil
	}
	return &exitError{code: code, err: err}
}

// firstRead bounds the read that run begins with.
const firstRead = 2 * time.Second

// tryKey fails where no waiting helps: the storage can never hold the key. Whatever else is wrong
// may be on its way, as at boot, so it is said clearly, and the contest goes on.
func tryKey(ctx context.Context, storage s3lect.Storage, key string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, firstRead)
	defer cancel()
	_, err := s3lect.ReadLeaderRecord(ctx, storage, key)
	switch {
	case errors.Is(err, s3lect.ErrStorageKey):
		return usageErrorf("--key: %w", err)
	case err != nil && !errors.Is(err, s3lect.ErrStorageNotFound):
		log.Error("cannot read the record yet, trying on", "error", err)
	}
	return nil
}

func (o *runOptions) check() error {
	switch {
	case o.grace < 0:
		return usageErrorf("--grace %v must not be negative", o.grace)
	case o.restartDelay <= 0:
		return usageErrorf("--restart-delay %v must be positive", o.restartDelay)
	}
	return cmp.Or(o.candidacy.check(), o.members.check(), o.peer.check())
}

func (o *runOptions) electorConfig() (*s3lect.ElectorConfig, error) {
	c := o.candidacy.electorConfig(o.key)
	if o.addr == "" {
		c.ServerAddr = o.peer.address(hostname())
	}
	o.members.configure(c)
	o.peer.configure(c)
	return c, o.validate(c)
}

// environment is that of the command, without its term.
func (o *runOptions) environment(inherited []string, id string) []string {
	return append(inherited[:len(inherited):len(inherited)], "S3LECT_ID="+id, "S3LECT_KEY="+o.key, "S3LECT_STORE="+o.store)
}

func cannotRun(err error) error {
	code := supervise.CodeCannotRun
	if notFound(err) {
		code = supervise.CodeNotFound
	}
	return &exitError{code: code, err: fmt.Errorf("cannot run the command: %w", err)}
}

// notTerminal returns nil for a terminal: a process outside the terminal's foreground group would be
// stopped when it reads from it.
func notTerminal(f *os.File) *os.File {
	if f == nil || term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}
