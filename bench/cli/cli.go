// Package cli is the command bench.
package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/bench/compare"
	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
	"github.com/seed-6dc909bb/s3lect/bench/report"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// Command returns the command with its subcommands.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure s3lect beside what one would use instead",
		Long: `bench measures s3lect and other leader electors in the same harness, and writes the figures and charts of
the documentation out of what it has measured. It is run in the repository, best with make:

  make -C bench report                  measures everything, about two hours, and writes the documents
  make -C bench measure TABLES='gaps'   measures some tables again
  make -C bench small                   tries everything in a few minutes, and writes nothing`,
		SilenceUsage: true,
	}
	root.AddCommand(listCommand(), measureCommand(), reportCommand(), renderCommand(), checkCommand(), compareCommand())
	return root
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Print the tables that can be measured, and how long the kept ones took", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var kept map[string]*result.Table
			root, err := repository()
			if err == nil {
				kept, err = readKept(root)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "TABLE\tTOOK\tTITLE")
			for _, t := range tables() {
				took := "–"
				if k := kept[t.name]; k != nil {
					took = k.Took.Round(time.Second).String()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", t.name, took, t.title)
			}
			return errors.Join(w.Flush(), err) // the names are said in any case, since errors point to this list
		},
	}
}

func measureCommand() *cobra.Command {
	var quick bool
	c := &cobra.Command{
		Use:   "measure TABLE...",
		Short: "Measure tables again and keep what comes of it in bench/results",
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 {
				return errors.New("name the tables, as in make measure TABLES='gaps etcd'; make list prints those that there are")
			}
			return measure(cmd, names, quick)
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "measure a few times only, and keep nothing")
	return c
}

func reportCommand() *cobra.Command {
	var quick bool
	c := &cobra.Command{
		Use:   "report",
		Short: "Measure everything, keep it in bench/results, and write the documents",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				return measure(cmd, nil, true)
			}
			if err := measure(cmd, nil, false); err != nil {
				return fmt.Errorf("%w\nthe documents are as they were; measure these tables again, and render", err)
			}
			return render(cmd, report.Render)
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "measure a few times only, and write nothing")
	return c
}

func renderCommand() *cobra.Command {
	return &cobra.Command{
		Use: "render", Short: "Write the documents from what is kept in bench/results", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return render(cmd, report.Render) },
	}
}

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check that the documents are what the kept results say", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return render(cmd, report.Check) },
	}
}

func compareCommand() *cobra.Command {
	var o compare.Options
	c := &cobra.Command{
		Use:   "compare",
		Short: "Compare the speed of two revisions with benchstat",
		Long: `compare checks two revisions out into temporary directories, runs the benchmarks of IsLeader, of encoding and
decoding records, and of the simulation in turns, and has benchstat compare them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Root, err = repository(); err != nil {
				return err
			}
			return compare.Run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.Base, "base", "", "the `revision` to compare with; the parent of the other one if empty")
	c.Flags().StringVar(&o.Head, "head", "HEAD", "the `revision` that is compared")
	c.Flags().IntVar(&o.Count, "count", 10, "runs of each benchmark on each revision; benchstat wants six at least")
	c.Flags().StringVar(&o.Time, "time", "500ms", "how `long` each run takes")
	c.Flags().IntVar(&o.Seeds, "seeds", 200, "seeds in each run of the simulation")
	return c
}

func measure(cmd *cobra.Command, names []string, quick bool) error {
	root, err := repository()
	if err != nil {
		return err
	}
	wanted, err := find(names)
	if err != nil {
		return err
	}
	return measureTables(cmd, root, wanted, quick)
}

// measureTables measures tables. Each is kept as soon as it is there, and one that fails does not cost the others, which
// may take an hour. Quick ones are only rendered, to see that they could be.
func measureTables(cmd *cobra.Command, root string, wanted []table, quick bool) error {
	measured := map[string]*result.Table{}
	var failed []error
	for i, t := range wanted {
		cmd.PrintErrf("[%d of %d] %s: %s\n", i+1, len(wanted), t.name, t.title)
		began, commit := time.Now(), revision(cmd.Context(), root)
		found, err := t.measure(cmd.Context(), root, quick, cmd.ErrOrStderr())
		if errors.Is(err, process.ErrNotInstalled) {
			cmd.PrintErrf("left as it was: %v\n", err)
			continue
		}
		if err != nil && cmd.Context().Err() != nil {
			return err
		}
		if err != nil {
			cmd.PrintErrf("left as it was: %v\n", err)
			failed = append(failed, err)
			continue
		}
		cmd.PrintErrf("took %v\n", time.Since(began).Round(time.Second))
		found.Title = t.title
		if commit != "" && found.Modules != nil {
			found.Modules["s3lect"] = commit
		}
		measured[t.name] = found
		if quick {
			continue
		}
		if err := found.Write(filepath.Join(root, "bench", "results", t.name+".json")); err != nil {
			return err
		}
	}
	if quick {
		failed = append(failed, report.Try(root, measured))
	}
	return errors.Join(failed...)
}

func render(cmd *cobra.Command, do func(root string, tables map[string]*result.Table, log io.Writer) error) error {
	root, err := repository()
	if err != nil {
		return err
	}
	kept, err := readKept(root)
	if err != nil {
		return err
	}
	return do(root, kept, cmd.ErrOrStderr())
}

// readKept reads the kept results. Those of a table that is not measured any more would speak of machines and versions of which
// nothing else does.
func readKept(root string) (map[string]*result.Table, error) {
	directory := filepath.Join(root, "bench", "results")
	kept, err := report.ReadAll(directory)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if _, err := find([]string{name}); err != nil {
			return nil, fmt.Errorf("read results: %w; remove %s", err, filepath.Join(directory, name+".json"))
		}
	}
	return kept, nil
}

// repository finds the root of the repository from a directory in it.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "bench", "results")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not a clone of s3lect: there is no bench/results here or above; run bench in the repository")
		}
		dir = parent
	}
}
