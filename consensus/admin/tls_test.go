package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	made := a.sign("authority", func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	a.cert = made.Leaf
	a.key, _ = made.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) sign(name string, change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// secure serves over TLS and verifies certificates of clients that have one.
func (a *authority) secure(h http.Handler) *httptest.Server {
	a.t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.sign("server", nil)}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: a.pool()}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server
}

func TestAVerifiedCertificateIsAsGoodAsAToken(t *testing.T) {
	a := newAuthority(t)
	f := newFake()
	operator := a.sign("operator", nil)
	apply := func(options Options, token string, certificates ...tls.Certificate) error {
		server := a.secure(handlerOf(t, f, options))
		client, err := NewClient(ClientOptions{Servers: []string{server.URL}, Token: token, TLS: &tls.Config{RootCAs: a.pool(), Certificates: certificates}})
		require.NoError(t, err)
		_, err = client.Apply(t.Context(), consensus.Command{Type: "set"})
		return err
	}
	with := Options{ClientCertificates: true}
	require.NoError(t, apply(with, "", operator))
	assert.ErrorContains(t, apply(with, ""), "a client certificate is needed")
	assert.ErrorContains(t, apply(with, token), "a client certificate is needed", "there are no tokens")

	both := Options{ClientCertificates: true, Tokens: []string{token}}
	require.NoError(t, apply(both, "", operator))
	require.NoError(t, apply(both, token))
	require.NoError(t, apply(both, "other", operator))
	assert.ErrorContains(t, apply(both, ""), "or show a client certificate")
	assert.ErrorContains(t, apply(both, "other"), "the token is not accepted")

	assert.ErrorContains(t, apply(Options{}, "", operator), "a token is needed", "certificates are not asked for")

	checked := Options{ClientCertificates: true, CheckCertificate: func(c *x509.Certificate) error {
		if c.Subject.CommonName != "operator" {
			return errors.New("only operators may")
		}
		return nil
	}}
	require.NoError(t, apply(checked, "", operator))
	assert.ErrorContains(t, apply(checked, "", a.sign("guest", nil)), "only operators may")
}

func TestACertificateThatWasNotVerifiedCountsForNothing(t *testing.T) {
	a := newAuthority(t)
	server := httptest.NewUnstartedServer(handlerOf(t, newFake(), Options{ClientCertificates: true}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.sign("server", nil)}, ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	stranger := newAuthority(t).sign("operator", nil)
	client, err := NewClient(ClientOptions{Servers: []string{server.URL}, TLS: &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{stranger}}})
	require.NoError(t, err)
	_, err = client.Apply(t.Context(), consensus.Command{Type: "set"})
	assert.ErrorContains(t, err, "a client certificate is needed")
}

func TestRequestsAreHandedOnOverTLS(t *testing.T) {
	a := newAuthority(t)
	leader := a.secure(handlerOf(t, newFake(), Options{ClientCertificates: true, CheckCertificate: func(c *x509.Certificate) error {
		if c.Subject.CommonName != "n2" {
			return errors.New("another node was expected")
		}
		return nil
	}}))
	ask := func(options Options) int {
		options.Forward = true
		return ask(t, handlerOf(t, followerOf(leader.URL), options), http.MethodPost, "/apply", bodies["/apply"]).Code
	}
	assert.Equal(t, http.StatusOK, ask(Options{ForwardTLS: &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.sign("n2", nil)}}}))
	assert.Equal(t, http.StatusUnauthorized, ask(Options{ForwardTLS: &tls.Config{RootCAs: a.pool()}}), "the leader asks for a certificate, too")
	assert.Equal(t, http.StatusBadGateway, ask(Options{}), "the leader's certificate is verified")
	assert.Equal(t, http.StatusBadGateway, ask(Options{ForwardTLS: &tls.Config{RootCAs: newAuthority(t).pool()}}))
}

func TestTokensThatCameEncryptedDoNotGoOnInTheClear(t *testing.T) {
	a := newAuthority(t)
	plain := serverOf(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked in the clear") }))
	follower := a.secure(handlerOf(t, followerOf(plain.URL), Options{Forward: true}))
	client, err := NewClient(ClientOptions{Servers: []string{follower.URL}, Token: token, TLS: &tls.Config{RootCAs: a.pool()}})
	require.NoError(t, err)
	_, err = client.Apply(t.Context(), consensus.Command{Type: "set"})
	assert.ErrorIs(t, err, consensus.ErrNotLeader, "neither by the follower nor by the client")
}

func TestSlowBodiesOverHTTP2AreCutOff(t *testing.T) {
	a := newAuthority(t)
	f := newFake()
	server := a.secure(handlerOf(t, f, Options{Timeout: 50 * time.Millisecond}))
	body, writer := net.Pipe()
	defer body.Close()
	defer writer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/apply", body)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", jsonType)
	answer, err := newSender(&tls.Config{RootCAs: a.pool()}).Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, 2, answer.ProtoMajor)
	assert.Equal(t, http.StatusRequestTimeout, answer.StatusCode)
	assert.Empty(t, f.asked)
}
