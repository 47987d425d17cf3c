package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
)

const askStatuses = `

Exit status: 0 done, 1 failed, 2 wrong usage`

func (a *App) newNodesCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "nodes",
		Short: "Print the members of the cluster",
		Long: `Print the members of the cluster, as the leader sees them if there is one that
can be asked. It knows the health of all; a follower knows that of its leader and
of itself. Where the API of a node is, is known once that node has led.` + anyNodeLong + askStatuses,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			nodes, err := ask(cmd.Context(), &c, a, c.nodes)
			return c.printNodes(a, nodes, err)
		},
	}
	c.addFlags(cmd)
	return cmd
}

// nodes asks the leader, or, where it cannot be asked, whoever answers.
func (c *connection) nodes(ctx context.Context, client *admin.Client) ([]consensus.NodeInfo, error) {
	if leader, err := client.Leader(ctx); err == nil {
		if nodes, err := c.at(leader.API).nodesOfOne(ctx); err == nil {
			return nodes, nil
		}
	}
	return client.Nodes(ctx)
}

// at is a connection to one node, for looking alone: the token stays here, since the address came from elsewhere. It has
// less time, so that a node that hangs does not cost all of it.
func (c *connection) at(api string) *connection {
	one := *c
	one.servers, one.timeout, one.tokenFile = []string{api}, c.timeout/3, ""
	return &one
}

func (c *connection) nodesOfOne(ctx context.Context) ([]consensus.NodeInfo, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	return client.Nodes(ctx)
}

func (a *App) newAddCommand() *cobra.Command {
	var c connection
	var nonVoter bool
	cmd := &cobra.Command{
		Use:   "add ID HOST:PORT",
		Short: "Add a member to the cluster",
		Long: `Add a member, which was started with "raftd run --join". It gets its vote once it
answers and has the whole log; the command waits for that. With --non-voter it
follows without one, until it is added again without the flag.` + connectionLong + askStatuses + `,
4 the outcome is unknown: see "raftd nodes"`,
		Example: `  raftd add n4 10.0.0.4:7001`,
		Args:    exactly("ID", "HOST:PORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			peer, err := parsePeer(args[0] + "=" + args[1])
			if err != nil {
				return usageErrorf("%w", err)
			}
			peer.NonVoter = peer.NonVoter || nonVoter
			nodes, err := ask(cmd.Context(), &c, a, func(ctx context.Context, client *admin.Client) ([]consensus.NodeInfo, error) {
				return client.AddNode(ctx, peer)
			})
			return c.printNodes(a, nodes, err)
		},
	}
	c.addFlags(cmd)
	cmd.Flags().BoolVar(&nonVoter, "non-voter", false, "add it without a vote: it follows and does not count for majorities")
	return cmd
}

func (a *App) newRemoveCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a member from the cluster",
		Long: `Remove a member. Its process goes on and can be ended afterwards; its data are of
no more use. A leader that is to be removed hands its leadership on first.` + connectionLong + askStatuses + `,
4 the outcome is unknown: see "raftd nodes"`,
		Example: `  raftd remove n4`,
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			nodes, err := ask(cmd.Context(), &c, a, func(ctx context.Context, client *admin.Client) ([]consensus.NodeInfo, error) {
				return client.RemoveNode(ctx, args[0])
			})
			return c.printNodes(a, nodes, err)
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (c *connection) printNodes(a *App, nodes []consensus.NodeInfo, err error) error {
	if err != nil {
		return err
	}
	return c.output.print(a.Stdout, nodes, func(w io.Writer) { writeNodes(w, nodes) })
}

func writeNodes(w io.Writer, nodes []consensus.NodeInfo) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tROLE\tADDRESS\tHEALTHY\tLAST CONTACT\tAPI")
	// To itself a leader has been in contact this very moment. What it has not heard of is not healthy.
	ofLeader := slices.ContainsFunc(nodes, func(n consensus.NodeInfo) bool {
		return n.Role == consensus.RoleLeader && n.LastContact == 0
	})
	for _, node := range nodes {
		healthy, contact, api := "unknown", "unknown", "-"
		if node.LastContact >= 0 {
			contact = node.LastContact.Round(time.Millisecond).String()
		}
		if node.LastContact >= 0 || ofLeader {
			healthy = strconv.FormatBool(node.Healthy)
		}
		if node.API != "" {
			api = plain(node.API)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", plain(node.ID), node.Role, plain(node.Address), healthy, contact, api)
	}
	_ = table.Flush() // to people
}

func (a *App) newLeaderCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "leader",
		Short: "Print who leads",
		Long: `Print the ID of the node that leads, its address, that of its API and its term.
It is what the node that is asked has heard of, which may be over already.` + connectionLong + askStatuses,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.askLeader(cmd.Context(), a, func(ctx context.Context, client *admin.Client) (admin.Leader, error) {
				return client.Leader(ctx)
			})
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (a *App) newTransferCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "transfer [ID]",
		Short: "Hand leadership over",
		Long: `Hand leadership over to a node, or, without an ID, to the one whose log is the
most up to date, and print who leads then.` + connectionLong + askStatuses + `,
4 the outcome is unknown: see "raftd leader"`,
		Example: `  raftd transfer n2`,
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.askLeader(cmd.Context(), a, func(ctx context.Context, client *admin.Client) (admin.Leader, error) {
				return client.TransferLeadership(ctx, strings.Join(args, ""))
			})
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (a *App) newStepDownCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "stepdown",
		Short: "Have the leader step down",
		Long: `Have the leader hand leadership on to any other voter.` + connectionLong + askStatuses + `,
4 the outcome is unknown: see "raftd leader"`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.askLeader(cmd.Context(), a, func(ctx context.Context, client *admin.Client) (admin.Leader, error) {
				return client.StepDown(ctx)
			})
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (c *connection) askLeader(ctx context.Context, a *App, request func(context.Context, *admin.Client) (admin.Leader, error)) error {
	leader, err := ask(ctx, c, a, request)
	if err != nil {
		return err
	}
	return c.output.print(a.Stdout, leader, func(w io.Writer) { writeLeader(w, leader) })
}

func writeLeader(w io.Writer, leader admin.Leader) {
	if leader.ID == "" {
		fmt.Fprintf(w, "nobody yet, term %d\n", leader.Term)
		return
	}
	fmt.Fprintf(w, "%s at %s", plain(leader.ID), plain(leader.Address))
	if leader.API != "" {
		fmt.Fprintf(w, ", API %s", plain(leader.API))
	}
	fmt.Fprintf(w, ", term %d\n", leader.Term)
}
