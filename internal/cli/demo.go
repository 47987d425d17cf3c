package cli

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/internal/demo"
)

const demoLong = `Start five processes that elect a leader through one file in a temporary
directory, and make things go wrong: kill the leader, freeze it, ask it to step
down, have it hand over, cut it off from storage. Takes about forty seconds;
nothing but this program is needed, and nothing stays behind.

Every process writes down, every two milliseconds, whether it believes to lead.
At the end these audits are compared. The demo draws who believed what and when,
and tells how long each failover took and for how long two processes believed to
lead at once: that must be 0 ms.

With --peers, a shorter scenario is played twice, which takes about a minute:
the followers read the file first, and then ask the leader, over mutual TLS with
certificates made for the occasion. At the end, what that cost in requests and
for how long nobody led stand side by side, as measured. The demo is in a hurry:
followers read, and leaders renew, six times in a lease. At the defaults they
read once in a lease, which costs less, and are the later for it.

With --quorum, three processes elect a leader only while two of them are alive:
one is killed, which two can spare, and then one is frozen. The leader that is
left steps down, says why, and nobody leads until the frozen one is back. Takes
about forty seconds. Other numbers of --members need more than half of them.

On a terminal it draws a live table, elsewhere it prints a line for each event.
NO_COLOR is obeyed.

Exit status: 0 there never were two leaders, 1 there were two, or the demo
failed, 2 wrong usage`

// newDemoCommand returns the command that shows an election to somebody who has never seen one.
func newDemoCommand() *cobra.Command {
	opts := demo.Options{Members: demo.DefaultMembers, Lease: demo.DefaultLease}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch processes elect a leader while things go wrong",
		Long:  demoLong,
		Example: `  s3lect demo
  s3lect demo --plain --members 3 --lease 2s
  s3lect demo --peers
  s3lect demo --quorum
  s3lect demo --json | jq .twoLeadersMillis`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Quorum && !cmd.Flags().Changed("members") {
				opts.Members = demo.QuorumMembers
			}
			if err := opts.Validate(); err != nil {
				return usageErrorf("--%w", err)
			}
			opts.Out, opts.Err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			// Where nobody reads any more ("| head"), the signal would end this process before it has
			// tidied up.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGPIPE)
			defer stop()
			err := demo.Run(ctx, opts)
			if ctx.Err() != nil && cmd.Context().Err() == nil {
				return &exitError{code: signalCode(syscall.SIGPIPE)}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&opts.Members, "members", opts.Members, "`number` of processes, 3 to 9; 3 with --quorum unless given")
	flags.DurationVar(&opts.Lease, "lease", opts.Lease, "`time` that a silent leader keeps the others out; the demo takes some 13 leases")
	flags.BoolVar(&opts.Peers, "peers", false, "compare followers that read the storage with followers that ask the leader; takes some 18 leases")
	flags.BoolVar(&opts.Quorum, "quorum", false, "let so many members fail that nobody may lead; takes some 13 leases")
	flags.BoolVar(&opts.Plain, "plain", false, "print a line for each event, also on a terminal")
	flags.BoolVar(&opts.JSON, "json", false, "print the result as JSON, and the events to standard error")
	flags.BoolVar(&opts.Keep, "keep", false, "keep the directory with the record, the audits and the logs")
	flags.SortFlags = false
	markFlagOnly(cmd, "lease", "quorum") // the environment may name those of a real election
	return cmd
}

// newDemoMemberCommand returns the hidden command that each process of the demo runs.
func newDemoMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:    demo.MemberCommand,
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := demo.ParseMember(args)
			if err != nil {
				return err
			}
			signal.Reset() // to play along, people may end a member by hand
			return demo.RunMember(opts, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
