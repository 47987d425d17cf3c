package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *App) newRootCommand(cancel context.CancelCauseFunc) *cobra.Command {
	root := &cobra.Command{
		Use:   "s3lect",
		Short: "Leader election on the object storage you already have",
		Long: `s3lect elects one leader among any number of processes, by conditional writes to
one small object on S3, in Redis, or on a directory. And it tells one of many,
once per round, to do a job: "s3lect serve" answers over HTTP, "s3lect rounds"
asks it.

Flags can be given as environment variables as well: S3LECT_STORE for --store,
S3LECT_LOG_LEVEL for --log-level. A flag wins over the environment.

Exit status: 0 success, 1 failure, 2 wrong usage, others as the help of each
command says.`,
		Example: `  # See an election, with nothing to set up:
  s3lect demo

  # Run a job on one of several machines at a time:
  s3lect run --store 's3://bucket/jobs?region=eu-central-1' --key leader.json -- ./job

  # Who leads?
  s3lect status --store 's3://bucket/jobs?region=eu-central-1' --key leader.json

  # Is this storage safe for elections?
  s3lect probe --store 's3://bucket/jobs?region=eu-central-1'

  # Once per round, over HTTP:
  s3lect serve --store 's3://bucket/jobs?region=eu-central-1'`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.bindEnvironment(cmd); err != nil {
				return err
			}
			if _, err := a.logger(); err != nil {
				return err
			}
			a.parsed = true
			return nil
		},
	}
	root.SetFlagErrorFunc(flagError)
	var version strings.Builder
	_ = readBuild().write(&version) // into memory
	root.Version = version.String()
	root.SetVersionTemplate("{{.Version}}") // as the command of that name prints it
	root.PersistentFlags().StringVar(&a.level, "log-level", "info", "log `level`: debug, info, warn or error")
	root.PersistentFlags().StringVar(&a.format, "log-format", "text", "log `format`: text or json")
	root.PersistentFlags().SortFlags = false
	completeFlag(root, "log-level", "debug", "info", "warn", "error")
	completeFlag(root, "log-format", "text", "json")

	interruptible := func(cmd *cobra.Command) *cobra.Command {
		work := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			stop := a.interruptible(cancel)
			defer stop()
			err := work(cmd, args)
			if err != nil && cmd.Context().Err() != nil {
				return context.Cause(cmd.Context())
			}
			return err
		}
		return cmd
	}
	root.AddCommand(
		a.newRunCommand(), // handles signals by itself
		interruptible(a.newStatusCommand()),
		interruptible(a.newWatchCommand()),
		interruptible(a.newObserveCommand()),
		interruptible(a.newProbeCommand()),
		interruptible(a.newRepairCommand()),
		a.newServeCommand(), // handles signals by itself
		a.newRoundsCommand(interruptible),
		a.newCertsCommand(),
		interruptible(a.newTransferCommand()),
		interruptible(a.newResignCommand()),
		interruptible(newDemoCommand()),
		newDemoMemberCommand(),
		a.newVersionCommand(),
	)
	return root
}

// completeFlag offers values to the shell's completion.
func completeFlag(cmd *cobra.Command, name string, values ...cobra.Completion) {
	// An error would be one of this program: the flag does not exist, or has values already.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// logger writes to standard error, as the flags say.
func (a *App) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.level)); err != nil {
		return nil, usageErrorf("--log-level %q is not one of debug, info, warn, error", a.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.format {
	case "text":
		return slog.New(slog.NewTextHandler(a.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Stderr, options)), nil
	}
	return nil, usageErrorf("--log-format %q is neither text nor json", a.format)
}

// flagError adds to an error about a flag where help is to be had, and what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if similar := similarFlag(cmd, unknown.GetSpecifiedName()); similar != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, similar)
		}
	}
	return usageErrorf("%w\nSee \"%s --help\".", err, cmd.CommandPath())
}

// similarFlag returns the flag whose name is nearest to the given one, if any is near.
func similarFlag(cmd *cobra.Command, name string) string {
	best, distance := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		d := editDistance(name, f.Name)
		if strings.HasPrefix(f.Name, name) {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = f.Name, d
		}
	})
	return best
}

// editDistance counts the characters to insert, delete or replace to turn one name into the other.
func editDistance(from, to string) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			cost := diagonal
			if from[i] != to[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
