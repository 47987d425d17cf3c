package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// metadata is the value of a flag: what a member says about itself.
type metadata map[string]string

const metadataUsage = "`KEY=VALUE` that this member tells about itself, such as zone=eu-1; several with commas, or by giving the flag again"

// Set takes KEY=VALUE, and several of them with commas, so that one environment variable can hold all.
func (m *metadata) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok || key == "":
			return fmt.Errorf("%q must be KEY=VALUE, such as zone=eu-1; commas separate several", pair)
		case *m == nil:
			*m = metadata{}
		}
		if _, twice := (*m)[key]; twice {
			return fmt.Errorf("there is more than one %q", key)
		}
		(*m)[key] = value
	}
	return nil
}

func (m *metadata) String() string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(*m)) {
		pairs = append(pairs, key+"="+(*m)[key])
	}
	return strings.Join(pairs, ",")
}

// Type is what pflag wants to know of a value.
func (*metadata) Type() string { return "KEY=VALUE" }

// membership is how a candidate counts, and is counted.
type membership struct {
	metadata metadata
	quorum   int
	grace    time.Duration
}

func (m *membership) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&m.quorum, "quorum", 0, "`number` of members, this one included, that have to be alive for this one to lead; the same for all (default 0, which asks for nobody)")
	f.DurationVar(&m.grace, "quorum-grace", 0, "`time` for which a leader goes on with too few (default, and with 0, the lease)")
	f.Var(&m.metadata, "metadata", metadataUsage)
}

// check refuses what would silently be of no effect.
func (m *membership) check() error {
	switch {
	case m.quorum < 0:
		return usageErrorf("--quorum %d must not be negative", m.quorum)
	case m.grace < 0:
		return usageErrorf("--quorum-grace %v must not be negative", m.grace)
	case m.grace > 0 && m.quorum < 2:
		return usageErrorf("--quorum-grace %v is of no effect without a --quorum above 1", m.grace)
	}
	return nil
}

func (m *membership) configure(c *s3lect.ElectorConfig) {
	c.QuorumSize, c.GracePeriod = m.quorum, m.grace
	c.ObserverMetadata = m.metadata
}
