package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

const fullConfig = `# n1
id: n1
cluster: orders
peers: # the first ones
  n1: 127.0.0.1:7001
  n2: 127.0.0.1:7002
  n3: "[::1]:7003/nonvoter"
data: /var/lib/raftd
store: pebble
snapshot-threshold: 100
election-timeout-min: 300ms
forward: true
log-level: warn
`

func TestAFileSaysWhatFlagsSay(t *testing.T) {
	term := newTerminal(t)
	o := term.options("--config", writeFile(t, fullConfig))
	assert.Equal(t, "n1", o.ID)
	assert.Equal(t, "orders", o.Cluster)
	assert.Equal(t, []consensus.PeerConfig{
		{ID: "n1", Address: "127.0.0.1", Port: 7001},
		{ID: "n2", Address: "127.0.0.1", Port: 7002},
		{ID: "n3", Address: "::1", Port: 7003, NonVoter: true},
	}, o.Peers)
	assert.Equal(t, "/var/lib/raftd", o.Data)
	assert.Equal(t, "pebble", o.Store)
	assert.Equal(t, uint64(100), o.SnapshotThreshold)
	assert.Equal(t, 300*time.Millisecond, o.ElectionMin)
	assert.True(t, o.Forward)
	assert.Equal(t, "warn", term.level)
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	term := newTerminal(t)
	file := writeFile(t, fullConfig)
	term.env["RAFTD_CLUSTER"] = "of the environment"
	term.env["RAFTD_DATA"] = "/environment"
	o := term.options("--config", file, "--data", "/flag", "--peers", "n1=h:1")
	assert.Equal(t, "/flag", o.Data)
	assert.Equal(t, "of the environment", o.Cluster)
	assert.Equal(t, []consensus.PeerConfig{{ID: "n1", Address: "h", Port: 1}}, o.Peers)
	assert.Equal(t, "pebble", o.Store)

	term.env["RAFTD_CONFIG"] = file
	assert.Equal(t, "n1", term.options().ID)
}

func TestListsInAFileAreWhatCommasAreInAFlag(t *testing.T) {
	term := newTerminal(t)
	want := term.options("--id", "a", "--data", "d", "--peers", "a=h:1,b=h:2/nonvoter").Peers
	for name, text := range map[string]string{
		"list":  "peers: [a=h:1, b=h:2/nonvoter]",
		"text":  "peers: a=h:1,b=h:2/nonvoter",
		"map":   "peers: {a: h:1, b: h:2/nonvoter}",
		"alias": "cluster: &c x\ndata: *c\npeers:\n- a=h:1\n- b=h:2/nonvoter",
	} {
		assert.Equal(t, want, term.options("--config", writeFile(t, text), "--id", "a", "--data", "d").Peers, name)
	}
}

func TestEveryErrorOfAFileNamesItsLine(t *testing.T) {
	term := newTerminal(t)
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":   {"id: n1\n\nelection-timeout: 1s\n", ":3: election-timeout: there is no such key; did you mean election-timeout-min?"},
		"underscores":   {"api_url: x\n", ":1: api_url: there is no such key; did you mean api-url?"},
		"nothing near":  {"\nvolumes: 3\n", ":2: volumes: there is no such key; the keys are the flags"},
		"itself":        {"config: x\n", ":1: config: there is no such key"},
		"help":          {"help: true\n", ":1: help: there is no such key"},
		"duration":      {"id: n1\nelection-timeout-min: soon\n", `:2: election-timeout-min: invalid value "soon"`},
		"number":        {"snapshot-threshold: -1\n", ":1: snapshot-threshold: invalid value"},
		"boolean":       {"join: perhaps\n", `:1: join: invalid value "perhaps"`},
		"peer":          {"peers:\n  n1: here\n", ":1: peers: "},
		"same peer":     {"peers:\n  n1: h:1\n  n1: h:2\n", "line 3: n1 is there twice, first in line 2"},
		"twice":         {"id: a\ndata: b\nid: c\n", "line 3: id is there twice, first in line 1"},
		"null":          {"id:\n", ":1: id: line 1: there is no value"},
		"nested":        {"id: {a: b}\npeers:\n- [x]\n", "line 3: a value is wanted here"},
		"not a map":     {"- id\n", "line 1: there are to be keys and values"},
		"text":          {"hello\n", "line 1: there are to be keys and values"},
		"syntax":        {"id: n1\n  data: x\n", "line 2"},
		"two documents": {"id: a\n---\nid: b\n", "more than one YAML document"},
		"too large":     {"# " + strings.Repeat("x", maxConfigFile), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, test.text)
			said := term.refused("run", "--config", path)
			assert.Contains(t, said, test.want)
			assert.Contains(t, said, path)
		})
	}
	assert.Contains(t, term.refused("run", "--config", filepath.Join(t.TempDir(), "none")), "--config: open ")
}

// A wrong value behind a flag would be there again when the flag is gone.
func TestAFileWithNothingInItChangesNothing(t *testing.T) {
	term := newTerminal(t)
	flags := []string{"--id", "a", "--data", "d", "--peers", "a=h:1"}
	want := term.options(flags...)
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n", "{}\n"} {
		got := term.options(append(flags, "--config", writeFile(t, text))...)
		got.Logger = want.Logger
		assert.Equal(t, want, got, "%q", text)
	}
}

func TestTheExampleFileHasEveryKey(t *testing.T) {
	const path = "../../cmd/raftd/raftd.example.yaml"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	term := newTerminal(t)
	assert.Equal(t, "n1", term.options("--config", path).ID)

	// What is commented out is to be right as well.
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.TrimPrefix(line, "#"))
	}
	entries, err := parseConfig([]byte(strings.Join(all, "")))
	require.NoError(t, err)
	named := map[string]bool{}
	cmd := term.newRunCommand()
	for _, e := range entries {
		named[e.key] = true
		if e.key != "log-level" && e.key != "log-format" {
			assert.NoError(t, e.apply(cmd.Flags()), e.key)
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		assert.True(t, named[f.Name] || f.Name == "help" || f.Name == configFlag, "the example does not have %s", f.Name)
	})
}
