package cli

import "github.com/spf13/cobra"

const roundsLong = `Work with rounds, each of which is won once: ask a server ("s3lect serve") who
does the job this time, and remove old rounds from a storage.`

func (a *App) newRoundsCommand(interruptible func(*cobra.Command) *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rounds",
		Short: "Ask a server who is elected for a round; remove old rounds",
		Long:  roundsLong,
		Example: `  s3lect rounds elect billing 2026-11-21 --id "$(hostname)" && ./job
  s3lect rounds prune --store 's3://bucket/jobs?region=eu-central-1' --older-than 720h --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageErrorf("rounds needs one of its commands; see \"s3lect rounds --help\"")
		},
	}
	for i := range questions {
		cmd.AddCommand(interruptible(a.newAskCommand(&questions[i])))
	}
	cmd.AddCommand(interruptible(a.newPruneCommand()))
	return cmd
}
