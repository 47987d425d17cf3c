package s3lect

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testCA is a certificate authority in memory.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newTestCA(tb testing.TB, name string, change ...func(*x509.Certificate)) *testCA {
	tb.Helper()
	ca := &testCA{cert: &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}}
	made := ca.sign(tb, ca.cert, change)
	key, ok := made.PrivateKey.(*ecdsa.PrivateKey)
	require.True(tb, ok)
	ca.cert, ca.key = made.Leaf, key
	ca.pem, _ = pemOf(tb, made)
	return ca
}

// issue returns a certificate for a server at 127.0.0.1 and for a client.
func (ca *testCA) issue(tb testing.TB, name string, change ...func(*x509.Certificate)) tls.Certificate {
	tb.Helper()
	return ca.sign(tb, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, change)
}

func (ca *testCA) sign(tb testing.TB, template *x509.Certificate, change []func(*x509.Certificate)) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(tb, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
	for _, f := range change {
		f(template)
	}
	parent, parentKey := ca.cert, ca.key
	if parentKey == nil {
		parentKey = key // signs itself
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	require.NoError(tb, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (ca *testCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

func lasting(d time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
}

func pemOf(tb testing.TB, cert tls.Certificate) (certPEM, keyPEM []byte) {
	tb.Helper()
	for _, der := range cert.Certificate {
		certPEM = append(certPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(tb, err)
	return certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// pairFiles are a certificate file and a key file.
type pairFiles struct{ cert, key string }

func newPairFiles(t *testing.T, cert tls.Certificate) pairFiles {
	t.Helper()
	dir := t.TempDir()
	files := pairFiles{filepath.Join(dir, "node.pem"), filepath.Join(dir, "node.key")}
	files.replace(t, cert)
	return files
}

func (f pairFiles) replace(t *testing.T, cert tls.Certificate) {
	t.Helper()
	certPEM, keyPEM := pemOf(t, cert)
	replaceFile(t, f.cert, certPEM)
	replaceFile(t, f.key, keyPEM)
}

// replaceFile replaces a file by renaming another over it.
func replaceFile(t *testing.T, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(name+".new", data, 0o600))
	require.NoError(t, os.Rename(name+".new", name))
}

func newFile(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}

// testClock is a clock that is set by hand.
type testClock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// logLines is a log that can be waited for.
type logLines struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed with the next line
}

func newLogLines() (*slog.Logger, *logLines) {
	l := &logLines{more: make(chan struct{})}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})), l
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	close(l.more)
	l.more = make(chan struct{})
	return len(line), nil
}

// with returns the lines that contain the text.
func (l *logLines) with(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.lines), func(line string) bool { return !strings.Contains(line, text) })
}

// wait returns once a line contains the text.
func (l *logLines) wait(t *testing.T, text string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		l.mu.Lock()
		more := l.more
		l.mu.Unlock()
		if len(l.with(text)) > 0 {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%q was not logged, but: %q", text, l.with(""))
		}
	}
}

// pipeNet is a network in memory, for fake time.
type pipeNet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeNet() *pipeNet {
	return &pipeNet{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipeNet) listen() (net.Listener, error) { return p, nil }

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// testClient asks with a connection pool of its own.
func testClient(t *testing.T, roots *testCA, cert *tls.Certificate, change ...func(*http.Transport)) *http.Client {
	t.Helper()
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots.pool(), MinVersion: tls.VersionTLS12},
	}
	if cert != nil {
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cert, nil
		}
	}
	for _, f := range change {
		f(transport)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func onlyHTTP1(transport *http.Transport) {
	transport.ForceAttemptHTTP2 = false
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
}

// answered is an answer that has been read.
type answered struct {
	*http.Response

	body string
}

func request(t *testing.T, client *http.Client, method, url string) (answered, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	return carry(client.Transport, req)
}

func carry(transport http.RoundTripper, req *http.Request) (answered, error) {
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answered{}, err
	}
	var body bytes.Buffer
	_, err = io.Copy(&body, resp.Body)
	return answered{resp, body.String()}, errors.Join(err, resp.Body.Close())
}

// startHealthServer starts one on a free port, with what is missing filled in.
func startHealthServer(t *testing.T, config HealthServerConfig, now func() time.Time, change ...func(*HealthServer)) (h *HealthServer, url string) {
	t.Helper()
	config.BindAddress = "127.0.0.1:0"
	if config.Elector == nil {
		config.Elector = &fakeElector{leads: true}
	}
	if config.Logger == nil {
		config.Logger = quiet()
	}
	h, err := newHealthServer(config, now)
	require.NoError(t, err)
	for _, f := range change {
		f(h)
	}
	require.NoError(t, h.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, h.Stop(ctx))
	})
	return h, "https://" + h.Addr().String() + DefaultPeerHealthPath
}
