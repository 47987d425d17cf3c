package cli

import (
	"context"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// defaultListen is where a node serves its API, and defaultAPI where clients ask, if they are not told.
const (
	defaultListen = "127.0.0.1:8001"
	defaultAPI    = "http://" + defaultListen
)

func (a *App) newRootCommand(cancel context.CancelCauseFunc) *cobra.Command {
	root := &cobra.Command{
		Use:   "raftd",
		Short: "A replicated key-value store that survives the loss of any minority of its nodes",
		Long: `raftd is a node of a replicated key-value store, and the client for it. Three of
them, on three machines or in three terminals, go on without any one: what was
confirmed is on a majority of them, and is never lost.

Flags can be given as environment variables as well: RAFTD_DATA for --data,
RAFTD_LOG_LEVEL for --log-level. A flag wins over the environment.

Exit status: 0 success, 1 failure, 2 wrong usage, others as the help of each
command says.`,
		Example: `  # In three terminals, with --id n1, n2 and n3, --data data/1, data/2 and data/3, and --api
  # 127.0.0.1:8001, 8002 and 8003:
  raftd run --id n1 --data data/1 --api 127.0.0.1:8001 \
    --peers n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003

  # In a fourth one:
  export RAFTD_API=127.0.0.1:8001,127.0.0.1:8002,127.0.0.1:8003
  raftd set color green
  raftd get color
  raftd nodes`,
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
	readBuild().write(&version)
	root.Version = version.String()
	root.SetVersionTemplate("{{.Version}}") // as the command of that name prints it
	root.PersistentFlags().StringVar(&a.level, "log-level", "info", "log `level`: debug, info, warn or error")
	root.PersistentFlags().StringVar(&a.format, "log-format", "text", "log `format`: text or json")
	root.PersistentFlags().SortFlags = false
	completeFlag(root, "log-level", "debug", "info", "warn", "error")
	completeFlag(root, "log-format", "text", "json")

	root.AddCommand(a.newRunCommand()) // handles signals by itself
	for _, client := range []*cobra.Command{
		a.newGetCommand(), a.newSetCommand(), a.newCASCommand(), a.newDeleteCommand(), a.newListCommand(),
		a.newStatusCommand(), a.newNodesCommand(), a.newLeaderCommand(), a.newHealthCommand(),
		a.newAddCommand(), a.newRemoveCommand(), a.newTransferCommand(), a.newStepDownCommand(), a.newSnapshotCommand(),
	} {
		root.AddCommand(a.interruptedBySignals(client, cancel))
	}
	root.AddCommand(a.newVersionCommand())
	return root
}

// interruptedBySignals has a signal end a command.
func (a *App) interruptedBySignals(cmd *cobra.Command, cancel context.CancelCauseFunc) *cobra.Command {
	work := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stop := a.interruptible(cancel)
		defer stop()
		err := work(cmd, args)
		if err != nil && cmd.Context().Err() != nil && a.exitCode(err) != exitUnknown {
			return context.Cause(cmd.Context())
		}
		return err
	}
	return cmd
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
