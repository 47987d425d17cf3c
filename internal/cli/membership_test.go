package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestFlagsOfAQuorumAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"negative quorum": {[]string{"--quorum", "-1"}, "--quorum -1 must not be negative"},
		"huge quorum":     {[]string{"--quorum", "1001"}, "--quorum 1001 must be between 0 and 1000"},
		"negative grace":  {[]string{"--quorum", "2", "--quorum-grace", "-1s"}, "--quorum-grace -1s must not be negative"},
		"long grace":      {[]string{"--quorum", "2", "--quorum-grace", "2h"}, "--quorum-grace 2h0m0s must not be negative, and be at most 1h0m0s"},
		"grace alone":     {[]string{"--quorum-grace", "1s"}, "--quorum-grace 1s is of no effect without a --quorum above 1"},
		"metadata":        {[]string{"--metadata", "zone"}, `"zone" must be KEY=VALUE, such as zone=eu-1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, says := newTerminal(t).on(memory.New()).run(append(with("run", c.args...), "--", "true")...)
			assert.Equal(t, exitRun, code)
			assert.Contains(t, says, c.says)
			assert.Empty(t, out)
		})
	}
}

func TestMetadataComeFromOneVariable(t *testing.T) {
	t.Parallel()
	var m metadata
	require.NoError(t, m.Set("zone=eu-1, note=a=b,empty="))
	assert.Equal(t, metadata{"zone": "eu-1", "note": "a=b", "empty": ""}, m)
	assert.Equal(t, "empty=,note=a=b,zone=eu-1", m.String())

	term := newTerminal(t).on(memory.New())
	term.env = map[string]string{"S3LECT_METADATA": "zone", "S3LECT_QUORUM": "2"}
	code, _, says := term.run(append(with("run"), "--", "true")...)
	assert.Equal(t, exitRun, code)
	assert.Contains(t, says, `environment variable S3LECT_METADATA: invalid value "zone": "zone" must be KEY=VALUE`)
}

func TestACandidateCountsAsTheFlagsSay(t *testing.T) {
	t.Parallel()
	o := runOptions{place: place{key: "k"}, candidacy: candidacy{lease: 6 * time.Second}}
	config, err := o.electorConfig()
	require.NoError(t, err)
	assert.Nil(t, config.ObserverMetadata, "no observer unless asked for")
	assert.Zero(t, config.QuorumSize)

	o.members = membership{metadata: metadata{"zone": "eu-1"}, quorum: 2, grace: 4 * time.Second}
	config, err = o.electorConfig()
	require.NoError(t, err)
	assert.Equal(t, 2, config.QuorumSize)
	assert.Equal(t, 4*time.Second, config.GracePeriod)
	assert.Equal(t, map[string]string{"zone": "eu-1"}, config.ObserverMetadata)
	assert.False(t, config.NonVoting)
}
