package cli

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const probeLong = `Test whether a storage does what leader election needs of it, and how fast.

Some servers accept a conditional write and do not heed the condition: elections
on them see two leaders. Only trying shows it. Run this once on every storage
you have not used before, from where the candidates will run.

It takes some seconds and some hundred requests, all of them about one small
object of its own next to --key, which is deleted in the end where the storage
permits that.

Exit status:
  0  the storage is safe for leader election
  1  it is not
  2  the test could not be carried out, or wrong usage`

// exitNotProbed leaves 1 to a storage that is known to be unsafe.
const exitNotProbed = 2

func (a *App) newProbeCommand() *cobra.Command {
	var (
		p      place
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "probe --store URL",
		Short: "Test whether a storage is safe for leader election",
		Long:  probeLong,
		Example: `  s3lect probe --store 's3://bucket/jobs?region=eu-central-1'
  s3lect probe --store 's3://bucket?endpoint=http://localhost:9000' --json | jq .safe`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			storage, err := a.openStore(cmd.Context(), p.store)
			if err != nil {
				return &exitError{exitNotProbed, err}
			}
			report, failure := s3lect.VerifyStorage(cmd.Context(), storage, p.key)
			if asJSON {
				err = writeJSON(a.Stdout, report)
			} else {
				err = writeReport(a.Stdout, report, failure == nil)
			}
			switch {
			case failure != nil:
				return &exitError{exitNotProbed, failure}
			case err != nil:
				return &exitError{exitNotProbed, fmt.Errorf("write the report: %w", err)}
			case !report.Safe:
				return &exitError{code: exitFailure}
			}
			return nil
		},
	}
	p.addStoreFlag(cmd)
	cmd.Flags().StringVar(&p.key, "key", "s3lect", "`key` next to which the probe's own object is written: KEY.probe-...")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func writeReport(w io.Writer, r *s3lect.StorageReport, complete bool) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", verdict(c), c.Name, c.Detail)
	}
	_ = t.Flush() // into memory
	if r.Read.Count > 0 || r.Write.Count > 0 {
		b.WriteString("\n")
		fmt.Fprint(t, "\trequests\tp50\tp99\n")
		writeLatencies(t, "read", r.Read)
		writeLatencies(t, "write", r.Write)
		_ = t.Flush()
	}
	if complete {
		b.WriteString("\n")
		writeConclusion(&b, r)
	}
	_, err := w.Write(lineEnds.ReplaceAll(b.Bytes(), nil))
	return err
}

// lineEnds are the blanks that a table leaves behind its last column.
var lineEnds = regexp.MustCompile(`(?m) +$`)

func verdict(c s3lect.StorageCheck) string {
	switch {
	case c.Passed:
		return "pass"
	case c.Required:
		return "FAIL"
	default:
		return "slow" // elections stay safe, and wait more often
	}
}

func writeLatencies(w io.Writer, name string, l s3lect.LatencySummary) {
	fmt.Fprintf(w, "%s\t%d\t%v\t%v\n", name, l.Count, l.P50.Round(10*time.Microsecond), l.P99.Round(10*time.Microsecond))
}

func writeConclusion(w io.Writer, r *s3lect.StorageReport) {
	if r.Throttled > 0 {
		fmt.Fprintf(w, "The storage refused %d requests because there were too many.\n", r.Throttled)
	}
	if r.LeftBehind != "" {
		fmt.Fprintf(w, "The object %q could not be deleted; nobody needs it.\n", r.LeftBehind)
	}
	if !r.Safe {
		fmt.Fprint(w, "NOT SAFE for leader election.\n")
		return
	}
	fmt.Fprint(w, "Safe for leader election.\n")
	if r.LeaderTimeout > 0 {
		fmt.Fprintf(w, "Recommended: --lease %v --frequent %v, or longer, which costs fewer requests.\n", r.LeaderTimeout, r.FrequentInterval)
	}
}
