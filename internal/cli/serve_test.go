package cli

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// freePort returns an address at which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestPeerFlagsOfRunAreChecked(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	complete := asPeer(made.CA, made.Nodes[0].Pair)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no certificates": {[]string{"--peer-listen", ":8443"}, "--peer-listen needs --peer-ca, --peer-cert, --peer-key as well: the files of a certificate authority and of a certificate that it signed; make some with\n  s3lect certs NAME"},
		"no key":          {append([]string{"--peer-listen", ":8443"}, complete[:4]...), "--peer-listen needs --peer-key as well"},
		"missing file":    {append([]string{"--peer-listen", ":8443", "--peer-ca", "/no/such/ca.pem"}, complete[2:]...), `--peer-ca: cannot read "/no/such/ca.pem": no such file`},
		"foreign key":     {append([]string{"--peer-listen", ":8443"}, append(complete[:5:5], made.Nodes[1].Key)...), `--peer-cert and --peer-key: the key in "` + made.Nodes[1].Key + `" cannot be used with the first certificate in "` + made.Nodes[0].Cert},
		"no file":         {append([]string{"--peer-listen", ":8443"}, append(complete[:5:5], os.DevNull)...), strconv.Quote(os.DevNull) + " is not a regular file"},
		"bad address":     {append([]string{"--peer-listen", "8443"}, complete...), `--peer-listen "8443": address 8443: missing port`},
		"no port":         {append([]string{"--peer-listen", ":0"}, complete...), `--peer-listen ":0": its port must be a number from 1 to 65535`},
		"bad path":        {append([]string{"--peer-listen", ":8443", "--peer-path", "here"}, complete...), `--peer-path "here" must begin with a slash`},
		"bad time":        {append([]string{"--peer-listen", ":8443", "--peer-timeout", "-1s"}, complete...), `--peer-timeout -1s must be positive`},
		"CA alone":        {complete[:2], "--peer-ca " + made.CA.Cert + " is for peer mode, which --peer-listen turns on"},
		"time alone":      {[]string{"--peer-timeout", "1s"}, "--peer-timeout 1s is for peer mode, which --peer-listen turns on"},
		"handover alone":  {[]string{"--allow-handover"}, "--allow-handover needs --peer-listen as well"},
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

func TestPeerFlagsComeFromTheEnvironmentToo(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	term := newTerminal(t).on(memory.New())
	term.env = map[string]string{"S3LECT_PEER_LISTEN": ":8443", "S3LECT_PEER_CA": made.CA.Cert, "S3LECT_PEER_CERT": made.Nodes[0].Cert}
	code, _, says := term.run(append(with("run"), "--", "true")...)
	assert.Equal(t, exitRun, code)
	assert.Contains(t, says, "--peer-listen needs --peer-key as well")
}

func TestAddressOfAMemberIsWhereItListens(t *testing.T) {
	t.Parallel()
	for listen, address := range map[string]string{
		"":               hostname() + ":8443",
		":9000":          hostname() + ":9000",
		"0.0.0.0:9000":   hostname() + ":9000",
		"[::]:9000":      hostname() + ":9000",
		"10.0.0.1:9000":  "10.0.0.1:9000",
		"[fd00::1]:9000": "[fd00::1]:9000",
		"node-a:9000":    "node-a:9000",
	} {
		o := runOptions{place: place{key: "k"}, peer: peerOptions{listen: listen}}
		config, err := o.electorConfig()
		require.NoError(t, err, listen)
		assert.Equal(t, address, config.ServerAddr, listen)
		assert.Equal(t, listen != "", config.PeerMode)
	}
	o := runOptions{place: place{key: "k"}, candidacy: candidacy{addr: "elsewhere:1"}, peer: peerOptions{listen: ":9000"}}
	config, err := o.electorConfig()
	require.NoError(t, err)
	assert.Equal(t, "elsewhere:1", config.ServerAddr)
}

func TestCommandLearnsNothingOfTheCertificates(t *testing.T) {
	t.Parallel()
	o := runOptions{place: place{store: "s", key: "k"}, peer: peerOptions{listen: ":1", asking: asking{peerFiles: peerFiles{caFile: "a", certFile: "b", keyFile: "c"}}}}
	assert.Equal(t, []string{"S3LECT_ID=me", "S3LECT_KEY=k", "S3LECT_STORE=s"}, o.environment(nil, "me"))
}

func TestPortInUseEndsRunAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	storage := memory.New()
	made := certificates(t)
	args := append([]string{"--peer-listen", taken.Addr().String()}, asPeer(made.CA, made.Nodes[0].Pair)...)
	code, out, says := newTerminal(t).on(storage).run(append(with("run", args...), "--", "echo", "led")...)
	assert.Equal(t, exitRun, code)
	assert.Empty(t, out)
	assert.Contains(t, says, "s3lect: --peer-listen "+taken.Addr().String()+": ")
	_, _, err = storage.Get(t.Context(), "leader.json")
	assert.ErrorIs(t, err, s3lect.ErrStorageNotFound, "the contest has not begun")
}

func TestMemberAnswersWhileItsCommandRuns(t *testing.T) {
	t.Parallel()
	made := certificates(t)
	address := freePort(t)
	term := newTerminal(t)
	store := "file://" + t.TempDir()
	args := append([]string{"run", "--store", store, "--key", "k", "--id", "me", "--peer-listen", address}, asPeer(made.CA, made.Nodes[0].Pair)...)
	code, out, says := term.run(append(append(args, "--"), child("ask", "0", address, made.CA.Cert, made.Nodes[1].Cert, made.Nodes[1].Key)...)...)
	assert.Equal(t, 0, code, says)
	assert.Contains(t, out, `"leaderID":"me","leaderAddr":"`+address+`"`)
	assert.Contains(t, says, "answering other members")
	assert.NotContains(t, says, "level=WARN")

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err, "the port is free again")
	require.NoError(t, listener.Close())
}

func TestExpiredCertificateIsWarnedAbout(t *testing.T) {
	t.Parallel()
	made := shortLived(t)
	code, _, says := newTerminal(t).on(memory.New()).run(append(with("run", append(asPeer(made.CA, made.Nodes[0].Pair), "--peer-listen", freePort(t))...), "--", "true")...)
	assert.Equal(t, 0, code, says)
	assert.Equal(t, 1, strings.Count(says, "level=WARN"), says)
	assert.Contains(t, says, "the certificate has expired")
	assert.Contains(t, says, made.Nodes[0].Cert)
}
