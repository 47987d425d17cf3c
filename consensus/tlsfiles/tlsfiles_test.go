package tlsfiles_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/tlsfiles"
	"github.com/seed-6dc909bb/s3lect/consensus/transport"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/tcp"
	"github.com/seed-6dc909bb/s3lect/consensus/transport/transporttest"
)

// paths are a node's three files.
type paths struct{ cert, key, ca string }

func write(t *testing.T, authority *transporttest.Authority, changes ...func(*x509.Certificate)) paths {
	t.Helper()
	dir := t.TempDir()
	p := paths{filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key"), filepath.Join(dir, "ca.crt")}
	p.renew(t, authority, changes...)
	put(t, p.ca, authority.PEM())
	return p
}

// renew replaces certificate and key.
func (p paths) renew(t *testing.T, authority *transporttest.Authority, changes ...func(*x509.Certificate)) {
	t.Helper()
	certificate, key := authority.CertificatePEM(t, changes...)
	put(t, p.cert, certificate)
	put(t, p.key, key)
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func (p paths) load(t *testing.T) (*tls.Config, *logs) {
	t.Helper()
	log := new(logs)
	config, err := tlsfiles.Load(p.cert, p.key, p.ca, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return config, log
}

type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serial is that of the certificate that is shown now, in both directions.
func serial(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	server, err := c.GetCertificate(nil)
	require.NoError(t, err)
	client, err := c.GetClientCertificate(nil)
	require.NoError(t, err)
	require.Equal(t, server.Leaf.SerialNumber, client.Leaf.SerialNumber)
	return server.Leaf.SerialNumber.Int64()
}

// inBubble runs a test at a clock that stands until the test waits.
func inBubble(t *testing.T, test func(t *testing.T, authority *transporttest.Authority)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, transporttest.NewAuthority(t, "ours")) })
}

func TestRenewedFilesAreUsedWithinASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, authority *transporttest.Authority) {
		t.Helper()
		p := write(t, authority)
		config, log := p.load(t)
		first := serial(t, config)
		p.renew(t, authority)
		assert.Equal(t, first, serial(t, config), "the files are not read for each connection")
		time.Sleep(time.Second)
		assert.Equal(t, first+1, serial(t, config))
		assert.Contains(t, log.String(), "renewed the certificate")
	})
}

func TestFilesThatCannotBeUsedLeaveTheLastCertificate(t *testing.T) {
	inBubble(t, func(t *testing.T, authority *transporttest.Authority) {
		t.Helper()
		p := write(t, authority)
		config, log := p.load(t)
		first := serial(t, config)
		certificate, key := authority.CertificatePEM(t)
		stranger, strangersKey := transporttest.NewAuthority(t, "theirs").CertificatePEM(t)
		for problem, spoil := range map[string]func(){
			"no such file":               func() { require.NoError(t, os.Remove(p.cert)) },
			"private key does not match": func() { put(t, p.cert, certificate) },
			"failed to find":             func() { put(t, p.cert, []byte("half of a file")) },
			"is not signed by":           func() { put(t, p.cert, stranger); put(t, p.key, strangersKey) },
		} {
			spoil()
			time.Sleep(time.Second)
			assert.Equal(t, first, serial(t, config), problem)
			assert.Contains(t, log.String(), problem)
		}
		lines := len(log.String())
		time.Sleep(time.Minute)
		assert.Equal(t, first, serial(t, config))
		assert.Len(t, log.String(), lines, "a problem is logged once")

		put(t, p.cert, certificate)
		put(t, p.key, key)
		time.Sleep(time.Second)
		assert.Equal(t, first+1, serial(t, config), "the second step of a renewal makes it whole")
	})
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	authority := transporttest.NewAuthority(t, "ours")
	good := write(t, authority)
	expired := write(t, authority, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	oneWay := write(t, authority, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	strangers := write(t, transporttest.NewAuthority(t, "theirs"))
	missing := filepath.Join(t.TempDir(), "missing")
	empty := filepath.Join(t.TempDir(), "empty")
	put(t, empty, nil)
	for name, test := range map[string]struct {
		paths
		words []string
	}{
		"no certificate":               {paths{missing, good.key, good.ca}, []string{missing}},
		"no key":                       {paths{good.cert, missing, good.ca}, []string{missing}},
		"no authorities":               {paths{good.cert, good.key, missing}, []string{missing}},
		"an empty certificate":         {paths{empty, good.key, good.ca}, []string{empty}},
		"an empty file of authorities": {paths{good.cert, good.key, empty}, []string{empty}},
		"another certificate's key":    {paths{good.cert, strangers.key, good.ca}, []string{good.cert, strangers.key}},
		"another authority":            {paths{strangers.cert, strangers.key, good.ca}, []string{strangers.cert, good.ca}},
		"an expired certificate":       {expired, []string{expired.cert, "expired"}},
		"a server's certificate":       {oneWay, []string{oneWay.cert, "clientAuth"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tlsfiles.Load(test.cert, test.key, test.ca, nil)
			for _, word := range test.words {
				require.ErrorContains(t, err, word)
			}
		})
	}
}

func TestNodesTalkWithIt(t *testing.T) {
	authority := transporttest.NewAuthority(t, "ours")
	open := func(id string) transport.Endpoint {
		config, _ := write(t, authority).load(t)
		e, err := tcp.New(tcp.Options{}).Open(transport.Config{
			ClusterID: "tests", NodeID: id, Bind: "127.0.0.1:0", TLS: config, Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e
	}
	a, b := open("a"), open("b")
	b.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil) })
	var response raft.AppendEntriesResponse
	request := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte("a")}, Term: 1}
	require.NoError(t, a.AppendEntries("b", b.LocalAddr(), request, &response))
	assert.True(t, response.Success)
}
