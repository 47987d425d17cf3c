package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

const certsLong = `Make certificates with which the members of an election know each other: for
trying, and for small fleets without a certificate authority of their own.

In --dir there is the authority, ca.pem and ca-key.pem; both are made where
neither exists. For each NAME, the host name or IPv4 address of a node, there
will be NAME.pem and NAME-key.pem, good for serving and for asking (an IPv6
address goes into --host). No file is ever overwritten: if one is in the way,
nothing is made.

A certificate is good for its name and for every --host, and where no --host is
given also for localhost, 127.0.0.1 and ::1. Others reach a leader at the
address in its record ("s3lect run --addr"): its host has to be among these.

A node needs ca.pem and its own two files. Keep ca-key.pem away from the nodes:
whoever has it can make himself a member of every election of this authority.

To replace a certificate before it expires, make the next pair elsewhere and
move both files over the old ones. Running nodes notice, and nobody loses the
leadership for it:

  s3lect certs --out next node-a
  mv next/node-a-key.pem next/node-a.pem certs/

Exit status: 0 success, 1 failure, and nothing was made, 2 wrong usage`

func (a *App) newCertsCommand() *cobra.Command {
	o := certs.Options{Lifetime: certs.DefaultLifetime, CALifetime: certs.DefaultCALifetime}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "certs [flags] NAME...",
		Short: "Make a private CA, and certificates for nodes",
		Long:  certsLong,
		Example: `  # For trying on one machine:
  s3lect certs node-a node-b

  # For a node that others reach by two names:
  s3lect certs --host 10.0.0.1 --host node-a.internal node-a`,
		Args: cobra.ArbitraryArgs, // Validate explains
		RunE: func(_ *cobra.Command, args []string) error {
			o.Names = args
			if err := checkCerts(o); err != nil {
				return err
			}
			made, err := certs.Make(o)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(a.Stdout, made)
			} else {
				err = writeCerts(a.Stdout, made)
			}
			if err != nil {
				return fmt.Errorf("the certificates were made, but what they are could not be written: %w", err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.Dir, "dir", "certs", "`directory` of the certificate authority")
	f.StringVar(&o.Out, "out", "", "`directory` for the nodes' files (default that of --dir)")
	f.StringArrayVar(&o.Hosts, "host", nil, "`name` or IP address that the certificates are good for, beside NAME; can be repeated (default localhost and its addresses)")
	f.DurationVar(&o.Lifetime, "lifetime", o.Lifetime, "`time` after which the certificates expire, never after their CA does")
	f.DurationVar(&o.CALifetime, "ca-lifetime", o.CALifetime, "`time` after which the CA expires, if it is made now")
	addJSONFlag(cmd, &asJSON)
	markFlagOnly(cmd, "dir", "out", "host", "lifetime", "ca-lifetime")
	return cmd
}

func checkCerts(o certs.Options) error {
	switch {
	case o.Lifetime <= 0: // for 0, the package would take its default
		return usageErrorf("--lifetime %v must be positive", o.Lifetime)
	case o.CALifetime <= 0:
		return usageErrorf("--ca-lifetime %v must be positive", o.CALifetime)
	}
	if err := o.Validate(); err != nil {
		return usageErrorf("%w", err)
	}
	return nil
}

func writeCerts(w io.Writer, r *certs.Result) error {
	var b strings.Builder
	what := "The certificate authority, which was there:"
	if r.CA.Made {
		what = "The certificate authority, made now:"
	}
	writePair(&b, what, r.CA)
	for _, n := range r.Nodes {
		writePair(&b, fmt.Sprintf("%s, for %s:", n.Name, strings.Join(n.Hosts, ", ")), n.Pair)
	}
	first := r.Nodes[0]
	fmt.Fprintf(&b, `On the node %[1]s, with a copy of %[2]s and its own two files:

  s3lect run --store URL --key KEY --peer-listen :%[5]s --addr %[1]s:%[5]s \
    --peer-ca %[2]s --peer-cert %[3]s --peer-key %[4]s -- COMMAND
`, first.Name, shellWord(r.CA.Cert), shellWord(first.Cert), shellWord(first.Key), placeholderPort)
	_, err := io.WriteString(w, b.String())
	return err
}

func writePair(b *strings.Builder, what string, p certs.Pair) {
	note := ""
	if p.Shortened {
		note = ", with its CA"
	}
	fmt.Fprintf(b, "%s\n  %s\n  %s\n  expires %s%s\n  SHA-256 %s\n\n",
		what, p.Cert, p.Key, p.Expires.UTC().Format(time.DateTime+" MST"), note, p.SHA256)
}

// shellWord quotes a path that a shell would take for several words.
func shellWord(path string) string {
	if strings.ContainsAny(path, " \t\n'\"$`\\;&|<>()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
