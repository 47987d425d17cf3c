package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// asking is how a member asks the leader in peer mode.
type asking struct {
	peerFiles
	timeout time.Duration
}

func (p *asking) addFlags(cmd *cobra.Command) {
	p.peerFiles.addFlags(cmd)
	cmd.Flags().DurationVar(&p.timeout, "peer-timeout", 0, "`time` for the leader to answer, beyond that for which it has nothing new to tell (default 3s, or a fifth of the lease where that is shorter)")
}

// on reports whether a member that only asks is to do so: any of the files is enough to mean it.
func (p *asking) on() bool { return p.peerFiles != peerFiles{path: p.path} }

// check names what is missing for a member that only asks.
func (p *asking) check() error {
	switch {
	case p.on():
		return p.required("peer mode")
	case p.timeout != 0:
		return usageErrorf("--peer-timeout %v is for peer mode, which --peer-ca, --peer-cert and --peer-key turn on", p.timeout)
	}
	return nil
}

func (p *asking) configure(c *s3lect.ElectorConfig) {
	c.PeerMode = true
	c.PeerHealthPath, c.PeerTimeout = p.path, p.timeout
	c.PeerCAFile, c.PeerCertFile, c.PeerKeyFile = p.caFile, p.certFile, p.keyFile
}
