package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/consensus/admin"
)

func (a *App) newStatusCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print what a node knows of itself and of the cluster",
		Long:  `Print what the node that is asked knows of itself and of the cluster.` + anyNodeLong + askStatuses,
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := ask(cmd.Context(), &c, a, func(ctx context.Context, client *admin.Client) (admin.Status, error) {
				return client.Status(ctx)
			})
			if err != nil {
				return err
			}
			return c.output.print(a.Stdout, status, func(w io.Writer) { writeStatus(w, status) })
		},
	}
	c.addFlags(cmd)
	return cmd
}

func writeStatus(w io.Writer, s admin.Status) {
	leader := s.Cluster.Leader
	if leader == "" {
		leader = "nobody that is known"
	}
	fmt.Fprintf(w, "node       %s, %s, of cluster %s\n", plain(s.Cluster.NodeID), s.Role, plain(s.Cluster.ClusterID))
	fmt.Fprintf(w, "leader     %s, term %d\n", plain(leader), s.Stats.Term)
	fmt.Fprintf(w, "log        %d committed, %d applied, %d entries, snapshot at %d\n",
		s.Stats.CommitIndex, s.Stats.LastApplied, s.Stats.LogSize, s.Stats.SnapshotIndex)
	fmt.Fprintf(w, "timing     heartbeats every %v to %v, elections after %v to %v, lease %v\n",
		s.Timing.HeartbeatMin, s.Timing.HeartbeatMax, s.Timing.ElectionMin, s.Timing.ElectionMax, s.Timing.Lease)
	fmt.Fprintf(w, "version    %s, %s\n\n", plain(s.Version), plain(s.Go))
	writeNodes(w, s.Cluster.Nodes)
}

func (a *App) newHealthCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say whether a node is of use",
		Long: `Say whether the node that is asked runs and leads, or hears of the one that
does, and print the results of its checks.` + anyNodeLong + `

Exit status: 0 it does, 1 it does not or cannot be reached, 2 wrong usage`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			health, err := ask(cmd.Context(), &c, a, func(ctx context.Context, client *admin.Client) (admin.DetailedHealth, error) {
				return client.DetailedHealth(ctx)
			})
			if err != nil {
				return err
			}
			if err := c.output.print(a.Stdout, health, func(w io.Writer) { writeHealth(w, health) }); err != nil {
				return err
			}
			if !health.Ready {
				return &exitError{code: exitFailure}
			}
			return nil
		},
	}
	c.addFlags(cmd)
	return cmd
}

func writeHealth(w io.Writer, h admin.DetailedHealth) {
	ready := "ready"
	if !h.Ready {
		ready = "not ready: " + plain(h.Reason)
	}
	fmt.Fprintf(w, "%s, %s, %s\n", plain(h.NodeID), h.Role, ready)
	for _, check := range h.Checks {
		fmt.Fprintf(w, "  %-8s %-8s %s\n", check.Result, plain(check.Name), plain(check.Reason))
	}
}

func (a *App) newSnapshotCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Have a node take a snapshot",
		Long: `Have the node that is asked, whether it leads or not, take a snapshot and shorten
its log to the entries that are kept behind one, and print the index of the last
entry in the snapshot.` + anyNodeLong + askStatuses,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			snapshot, err := ask(cmd.Context(), &c, a, func(ctx context.Context, client *admin.Client) (admin.Snapshot, error) {
				return client.Snapshot(ctx)
			})
			if err != nil {
				return err
			}
			return c.output.print(a.Stdout, snapshot, func(w io.Writer) { fmt.Fprintln(w, snapshot.Index) })
		},
	}
	c.addFlags(cmd)
	return cmd
}
