package s3lect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHealthServerServesOverTLSAndStops(t *testing.T) {
	cert, roots := selfSigned(t)
	e := &fakeElector{leads: true}
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: e, Logger: quiet()})
	require.NoError(t, err)
	require.NoError(t, h.Start(t.Context()))
	require.ErrorIs(t, h.Start(t.Context()), ErrAlreadyStarted)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	url := "https://" + h.Addr().String() + "/health/leadership"
	get := func() (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		answer, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
	status, err := get()
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)

	require.NoError(t, h.Stop(t.Context()))
	require.NoError(t, h.Stop(t.Context()))
	_, err = get()
	require.Error(t, err)
	require.NoError(t, h.Start(t.Context()), "it can be started again")
	require.NoError(t, h.Stop(t.Context()))
}

func TestHealthServerStopsWithItsContext(t *testing.T) {
	cert, _ := selfSigned(t)
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: &fakeElector{}, Logger: quiet()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, h.Start(ctx))
	ended := h.serving.ended
	cancel()
	<-ended
	assert.Nil(t, h.Addr())
}

func TestHealthServerReportsWhatItCannotUse(t *testing.T) {
	cert, _ := selfSigned(t)
	for want, config := range map[string]HealthServerConfig{
		"Elector is required":     {BindAddress: ":0", Certificate: cert},
		"Certificate is required": {BindAddress: ":0", Elector: &fakeElector{}},
		"must be host:port":       {BindAddress: "nowhere", Certificate: cert, Elector: &fakeElector{}},
	} {
		_, err := NewHealthServer(config)
		require.ErrorContains(t, err, want)
	}

	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	h, err := NewHealthServer(HealthServerConfig{BindAddress: taken.Addr().String(), Certificate: cert, Elector: &fakeElector{}})
	require.NoError(t, err)
	require.ErrorContains(t, h.Start(t.Context()), taken.Addr().String(), "the bind error is returned")
}

// bare is a fake that has been told nothing but who leads.
type bare struct{ *fakeElector }

func (bare) GetConfig() *ElectorConfig { return &ElectorConfig{ServerID: "fake"} }

func TestHealthServerOfAFakeWithoutDefaultsAnswersAtTheDefaultPath(t *testing.T) {
	cert, roots := selfSigned(t)
	h, err := NewHealthServer(HealthServerConfig{BindAddress: "127.0.0.1:0", Certificate: cert, Elector: bare{&fakeElector{leads: true}}, Logger: quiet()})
	require.NoError(t, err)
	require.NoError(t, h.Start(t.Context()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.Addr().String()+DefaultPeerHealthPath, http.NoBody)
	require.NoError(t, err)
	answer, err := client.Do(req)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, h.Stop(t.Context()))
}

// selfSigned returns a certificate for 127.0.0.1 and a pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
