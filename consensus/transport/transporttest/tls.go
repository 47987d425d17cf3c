package transporttest

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/transport"
)

func with(c *tls.Config) func(*transport.Config) {
	return func(config *transport.Config) { config.TLS = c }
}

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

func tlsCarries(t *testing.T, f *fixture) {
	t.Helper()
	authority := NewAuthority(t, "ours")
	a, b := f.open(t, "a", with(authority.Config(t))), f.open(t, "b", with(authority.Config(t))).answer(agree)
	for name, call := range everyCall(a, b.id, b.LocalAddr()) {
		require.NoError(t, call(), name)
	}
	data := newRandom(5 << 20)
	_, err := a.install(b.id, b.LocalAddr(), 5<<20, data)
	require.NoError(t, err)

	// The host's name is enough of a name, where the address has one.
	_, port, err := net.SplitHostPort(string(b.LocalAddr()))
	require.NoError(t, err)
	require.NoError(t, a.appendAt(b.id, raft.ServerAddress("localhost:"+port), 1))
}

// refusedBothWays has a node with another configuration talk to a good one and be talked to. The good one's log holds
// the words, and good ones go on talking.
func refusedBothWays(t *testing.T, f *fixture, good, other *tls.Config, words ...string) {
	t.Helper()
	a, b := f.open(t, "a", with(good)), f.open(t, "b", with(good)).answer(agree)
	x := f.open(t, "x", with(other)).answer(agree)
	for name, call := range everyCall(x, b.id, b.LocalAddr()) {
		err := call()
		assert.Error(t, err, name)
		t.Logf("the one that is refused: %v", err)
	}
	b.log.await(t, append(words, "refused a connection")...)
	err := a.append(x, 1)
	require.Error(t, err)
	t.Logf("the one that refuses: %v", err)
	require.NoError(t, a.append(b, 1))
}

func tlsAnotherAuthority(t *testing.T, f *fixture) {
	t.Helper()
	ours, theirs := NewAuthority(t, "ours"), NewAuthority(t, "theirs")
	gullible := theirs.Config(t)
	gullible.RootCAs = ours.Pool()
	refusedBothWays(t, f, ours.Config(t), gullible, "authority")
	refusedBothWays(t, f, ours.Config(t), theirs.Config(t))
}

func tlsExpired(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	refusedBothWays(t, f, ours.Config(t), ours.Config(t, expired), "expired")
}

func tlsNoCertificate(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	without := ours.Config(t)
	certificate := without.Certificates[0]
	without.Certificates = nil
	without.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	without.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return new(tls.Certificate), nil }
	b := f.open(t, "b", with(ours.Config(t))).answer(agree)
	x := f.open(t, "x", with(without))
	require.ErrorContains(t, x.append(b, 1), "certificate")
	b.log.await(t, "certificate", "refused a connection")
	require.NoError(t, f.open(t, "a", with(ours.Config(t))).append(b, 1))
}

func tlsAnotherName(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	elsewhere := func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere.example"} }
	a, b := f.open(t, "a", with(ours.Config(t))), f.open(t, "b", with(ours.Config(t, elsewhere))).answer(agree)
	require.ErrorContains(t, a.append(b, 1), "127.0.0.1")

	named := ours.Config(t)
	named.ServerName = "elsewhere.example"
	require.NoError(t, f.open(t, "c", with(named)).append(b, 1), "a name that is configured is what counts")
}

func tlsPlainClient(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	refusedBothWays(t, f, ours.Config(t), nil, "TLS")
	b, x := f.open(t, "b", with(ours.Config(t))), f.open(t, "x")
	require.ErrorContains(t, x.append(b, 1), "TLS")
}

func tlsPlainServer(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	refusedBothWays(t, f, nil, ours.Config(t), "TLS")
	b, x := f.open(t, "b"), f.open(t, "x", with(ours.Config(t)))
	require.ErrorContains(t, x.append(b, 1), "TLS")
}

func tlsIncomplete(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	for word, spoil := range map[string]func(*tls.Config){
		"certificate":        func(c *tls.Config) { c.Certificates = nil },
		"ClientCAs":          func(c *tls.Config) { c.ClientCAs = nil },
		"RootCAs":            func(c *tls.Config) { c.RootCAs = nil },
		"InsecureSkipVerify": func(c *tls.Config) { c.InsecureSkipVerify = true },
	} {
		c := ours.Config(t)
		spoil(c)
		f.refuses(t, with(c), word)
	}
}

// tlsRenewed gives each new connection the certificate of the moment; the first has expired.
func tlsRenewed(t *testing.T, f *fixture) {
	t.Helper()
	ours := NewAuthority(t, "ours")
	var current atomic.Pointer[tls.Certificate]
	stale, fresh := ours.Certificate(t, expired), ours.Certificate(t)
	current.Store(&stale)
	renewed := &tls.Config{
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.Load(), nil },
		RootCAs:              ours.Pool(), ClientCAs: ours.Pool(), MinVersion: tls.VersionTLS12,
	}
	a, b := f.open(t, "a", with(ours.Config(t))).answer(agree), f.open(t, "b", with(renewed)).answer(agree)
	require.ErrorContains(t, a.append(b, 1), "expired")
	require.Error(t, b.append(a, 1))
	current.Store(&fresh)
	require.Eventually(t, func() bool { return a.append(b, 2) == nil }, soon, time.Millisecond)
	require.Eventually(t, func() bool { return b.append(a, 2) == nil }, soon, time.Millisecond)
}
