package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/consensus"
	"github.com/seed-6dc909bb/s3lect/consensus/admin"
	"github.com/seed-6dc909bb/s3lect/consensus/internal/kv"
)

const outcomeLong = connectionLong + ` A command that may have been
done is never sent again: the exit status is 4 then, and it may still be done
later.`

const changeStatuses = `

Exit status:
  0  done, and a majority of the nodes has it on stable storage
  1  failed: nothing has been changed
  2  wrong usage`

// changed is what is printed of a command that was applied.
type changed struct {
	Index uint64 `json:"index"` // in the log
	Term  uint64 `json:"term"`
	kv.Answer
}

func (a *App) newGetCommand() *cobra.Command {
	var c connection
	var stale bool
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		Long: `Print the value of a key. It is the newest one: whatever was confirmed to
anybody before is seen.` + connectionLong + `

Exit status: 0 printed, 1 failed, 2 wrong usage, 3 there is no such key`,
		Example: `  raftd get color`,
		Args:    exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := valid(args...); err != nil {
				return err
			}
			answer, err := query[kv.Answer](cmd.Context(), &c, a, map[string]any{"get": args[0]}, stale)
			if err != nil {
				return err
			}
			if err := c.output.print(a.Stdout, answer, func(w io.Writer) {
				if answer.Found {
					fmt.Fprintln(w, answer.Value)
				}
			}); err != nil {
				return err
			}
			if !answer.Found {
				return noSuchKey(args[0])
			}
			return nil
		},
	}
	c.addFlags(cmd)
	addStaleFlag(cmd, &stale)
	return cmd
}

func addStaleFlag(cmd *cobra.Command, stale *bool) {
	cmd.Flags().BoolVar(stale, "stale", false, "take what the node that is asked has at hand, which may be of any age")
}

func noSuchKey(key string) error {
	return &exitError{code: exitNotSo, err: fmt.Errorf("there is no key %q", key)}
}

func (a *App) newListCommand() *cobra.Command {
	var c connection
	var stale bool
	var limit int
	var after string
	cmd := &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "Print the keys that begin with a prefix, and their values",
		Long: `Print the keys that begin with a prefix, in their order, each with its value
behind a tab. All of them were there at the same time. Where there are more than
--limit, standard error says so and names the --after for the next ones.` + connectionLong + `

Exit status: 0 printed, also if there are none, 1 failed, 2 wrong usage`,
		Example: `  raftd list jobs/`,
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usageErrorf("--limit %d must be positive", limit)
			}
			if err := valid(append(args, after)...); err != nil {
				return err
			}
			q := map[string]any{"list": "", "limit": limit, "after": after}
			if len(args) == 1 {
				q["list"] = args[0]
			}
			listing, err := query[kv.Listing](cmd.Context(), &c, a, q, stale)
			if err != nil {
				return err
			}
			if listing.More && len(listing.Entries) > 0 && !c.output.json {
				defer fmt.Fprintf(a.Stderr, "raftd: there are more: --after %q\n", listing.Entries[len(listing.Entries)-1].Key)
			}
			return c.output.print(a.Stdout, listing, func(w io.Writer) {
				for _, entry := range listing.Entries {
					fmt.Fprintf(w, "%s\t%s\n", plain(entry.Key), plain(entry.Value))
				}
			})
		},
	}
	c.addFlags(cmd)
	cmd.Flags().IntVar(&limit, "limit", kv.DefaultLimit, "`number` of keys at most")
	cmd.Flags().StringVar(&after, "after", "", "`key` behind which to begin")
	addStaleFlag(cmd, &stale)
	return cmd
}

func query[T any](ctx context.Context, c *connection, a *App, question any, stale bool) (T, error) {
	var answer T
	encoded, err := ask(ctx, c, a, func(ctx context.Context, client *admin.Client) (json.RawMessage, error) {
		if stale {
			return client.ReadStale(ctx, question)
		}
		return client.Read(ctx, question)
	})
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(encoded, &answer); err != nil {
		return answer, fmt.Errorf("the answer is not that of a key-value store: %w", err)
	}
	return answer, nil
}

func (a *App) newSetCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Give a key a value",
		Long: `Give a key a value, and print its version: the index of the change in the log.` + outcomeLong + changeStatuses + `
  4  the outcome is unknown`,
		Example: `  raftd set color green`,
		Args:    exactly("KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.apply(cmd.Context(), a, kv.Set(args[0], args[1]), args)
			if err != nil {
				return err
			}
			return c.output.printApplied(a.Stdout, answer, answer.writeVersion)
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (a *App) newDeleteCommand() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "delete KEY",
		Short: "Remove a key",
		Long: `Remove a key.` + outcomeLong + changeStatuses + `
  3  there was no such key
  4  the outcome is unknown`,
		Example: `  raftd delete color`,
		Args:    exactly("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.apply(cmd.Context(), a, kv.Delete(args[0]), args)
			if err != nil {
				return err
			}
			if err := c.output.printApplied(a.Stdout, answer, func(io.Writer) {}); err != nil {
				return err
			}
			if !answer.Found {
				return noSuchKey(args[0])
			}
			return nil
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (a *App) newCASCommand() *cobra.Command {
	var c connection
	var absent bool
	cmd := &cobra.Command{
		Use:   "cas KEY OLD NEW",
		Short: "Give a key a value if it still has the old one",
		Long: `Compare and swap: give a key a new value if it has the old one, in one step that
nothing can come between. With --absent, give it a value if there is no such key.` + outcomeLong + changeStatuses + `
  3  not swapped: the key has another value, or there is no such key
  4  the outcome is unknown`,
		Example: `  raftd cas color green blue
  raftd cas --absent lock "$(hostname)"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if absent {
				return exactly("KEY", "NEW")(cmd, args)
			}
			return exactly("KEY", "OLD", "NEW")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var old *string
			if !absent {
				old = &args[1]
			}
			answer, err := c.apply(cmd.Context(), a, kv.CompareAndSwap(args[0], old, args[len(args)-1]), args)
			if err != nil {
				return err
			}
			if err := c.output.printApplied(a.Stdout, answer, func(w io.Writer) {
				if answer.Swapped {
					answer.writeVersion(w)
				}
			}); err != nil {
				return err
			}
			return notSwapped(args[0], answer.Answer)
		},
	}
	c.addFlags(cmd)
	cmd.Flags().BoolVar(&absent, "absent", false, "swap only if there is no such key; there is no OLD then")
	return cmd
}

func notSwapped(key string, answer kv.Answer) error {
	switch {
	case answer.Swapped:
		return nil
	case !answer.Found:
		return &exitError{code: exitNotSo, err: fmt.Errorf("not swapped: there is no key %q", key)}
	}
	return &exitError{code: exitNotSo, err: fmt.Errorf("not swapped: %q is %q", key, answer.Value)}
}

// apply has a command applied that was made of these arguments.
func (c *connection) apply(ctx context.Context, a *App, command consensus.Command, args []string) (changed, error) {
	if err := valid(args...); err != nil {
		return changed{}, err
	}
	if args[0] == "" {
		return changed{}, usageErrorf("the key is empty")
	}
	applied, err := ask(ctx, c, a, func(ctx context.Context, client *admin.Client) (admin.Applied, error) {
		return client.Apply(ctx, command)
	})
	if err != nil {
		return changed{}, err
	}
	answer := changed{Index: applied.Index, Term: applied.Term}
	if applied.ValueError != "" {
		return answer, lostAnswer(errors.New(applied.ValueError))
	}
	if err := json.Unmarshal(applied.Value, &answer.Answer); err != nil {
		return answer, lostAnswer(err)
	}
	return answer, nil
}

// lostAnswer is for a command that was applied, by whatever machine, so that it must not look like one that was not.
func lostAnswer(err error) error {
	return &exitError{code: exitUnknown, err: fmt.Errorf("the command is applied, and its answer is not that of a key-value store: %w", err)}
}

func (c changed) writeVersion(w io.Writer) { fmt.Fprintln(w, c.Version) }
