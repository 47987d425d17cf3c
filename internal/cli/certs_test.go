package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/certs"
)

func TestCertsTellsWhatItMadeAndWhatToDoWithIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	code, out, says := newTerminal(t).run("certs", "--dir", dir, "node-a", "node-b")
	assert.Equal(t, exitOK, code, says)
	assert.Regexp(t, `^The certificate authority, made now:
  \S+/ca\.pem
  \S+/ca-key\.pem
  expires \S+ \S+ UTC
  SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}

node-a, for node-a, localhost, 127\.0\.0\.1, ::1:
  \S+/node-a\.pem
  \S+/node-a-key\.pem
  expires \S+ \S+ UTC
  SHA-256 \S+

node-b, for (?s:.*)
  s3lect run --store URL --key KEY --peer-listen :8443 --addr node-a:8443 \\
    --peer-ca \S+/ca.pem --peer-cert \S+/node-a\.pem --peer-key \S+/node-a-key\.pem -- COMMAND
$`, out)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 6)

	code, out, says = newTerminal(t).run("certs", "--dir", dir, "node-a")
	assert.Equal(t, exitFailure, code)
	assert.Empty(t, out)
	assert.Contains(t, says, "no file is overwritten and there is "+filepath.Join(dir, "node-a-key.pem"))
}

func TestCertsInJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, says := newTerminal(t).run("certs", "--dir", dir, "--json", "--lifetime", "48h", "--ca-lifetime", "24h", "--host", "10.0.0.1", "a")
	require.Equal(t, exitOK, code, says)
	var r certs.Result
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	assert.True(t, r.CA.Made)
	assert.True(t, r.Nodes[0].Shortened)
	assert.Equal(t, []string{"a", "10.0.0.1"}, r.Nodes[0].Hosts)
	assert.Equal(t, filepath.Join(dir, "a.pem"), r.Nodes[0].Cert)
}

func TestCertsExplainsWrongUsage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	for says, args := range map[string][]string{
		"at least one name is required":      {},
		`name "../a" must be a host name`:    {"../a"},
		"--lifetime 0s must be positive":     {"--lifetime", "0s", "a"},
		"--ca-lifetime 0s must be positive":  {"--ca-lifetime", "0s", "a"},
		"--ca-lifetime -1s must be positive": {"--ca-lifetime", "-1s", "a"},
		`host "a:1" must be a host name`:     {"--host", "a:1", "a"},
	} {
		term := newTerminal(t)
		code, _, errs := term.run(append([]string{"certs", "--dir", dir}, args...)...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errs, says)
		assert.NoDirExists(t, dir)
	}
}

func TestPathsAreQuotedForTheShell(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "certs/a.pem", shellWord("certs/a.pem"))
	assert.Equal(t, `'my certs/it'\''s.pem'`, shellWord("my certs/it's.pem"))
}
