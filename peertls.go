package s3lect

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

const (
	peerDialTimeout    = 5 * time.Second
	peerIdleTimeout    = 90 * time.Second
	peerPingInterval   = 5 * time.Second // without anything heard on a connection
	peerPingTimeout    = 5 * time.Second
	maxPeerHeaderBytes = 16 << 10
)

// peerTLS is what an [ElectorConfig] says about the encryption of questions to the leader.
type peerTLS struct {
	CACert            []byte // PEM
	CAFile            string
	CertFile, KeyFile string
	Certificate       *tls.Certificate
}

// equal reports whether both name the same certificates.
func (t peerTLS) equal(o peerTLS) bool {
	return bytes.Equal(t.CACert, o.CACert) && t.CAFile == o.CAFile &&
		t.CertFile == o.CertFile && t.KeyFile == o.KeyFile && t.Certificate == o.Certificate
}

// check loads everything once. Its error names the field of ElectorConfig.
func (t peerTLS) check() error {
	_, err := newPeerTransport(t, slog.New(slog.DiscardHandler), time.Now)
	return err
}

// peerTransport carries the questions to the leader. With neither authorities nor a certificate of
// its own it is http.DefaultTransport as that stands at the time of the question; otherwise a
// transport of its own, replaced when the certificate files change.
type peerTransport struct {
	roots *reload.Value[*reload.Authorities] // nil: those of the operating system
	cert  *reload.Value[*tls.Certificate]    // nil: none
	conns connections
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	now   func() time.Time

	mu        sync.Mutex // guards what follows
	transport *http.Transport
	madeOf    peerIdentity // the transport
}

// peerIdentity is what a transport is made of.
type peerIdentity struct {
	roots *reload.Authorities
	cert  *tls.Certificate
}

// newPeerTransport loads the certificates, but connects to nobody.
func newPeerTransport(t peerTLS, log *slog.Logger, now func() time.Time) (*peerTransport, error) {
	load := reload.Loader{Log: log, Now: now}
	p := &peerTransport{now: now, dial: (&net.Dialer{Timeout: peerDialTimeout}).DialContext}
	var err error
	if len(t.CACert) > 0 || t.CAFile != "" {
		if p.roots, err = load.Authorities("PeerCACert", t.CACert, "PeerCAFile", t.CAFile); err != nil {
			return nil, err
		}
	}
	switch {
	case t.Certificate != nil && (t.CertFile != "" || t.KeyFile != ""):
		return nil, errors.New("PeerCertificate and PeerCertFile with PeerKeyFile exclude each other: give the certificate in one way")
	case t.Certificate != nil:
		if p.cert, err = load.KeyPair(t.Certificate); err != nil {
			return nil, fmt.Errorf("PeerCertificate %w", err)
		}
	case t.CertFile != "" && t.KeyFile != "":
		if p.cert, err = load.KeyPairFiles(t.CertFile, t.KeyFile); err != nil {
			return nil, fmt.Errorf("PeerCertFile and PeerKeyFile: %w", err)
		}
	case t.CertFile != "":
		return nil, errors.New("PeerKeyFile is required beside PeerCertFile: the file with the certificate's private key")
	case t.KeyFile != "":
		return nil, errors.New("PeerCertFile is required beside PeerKeyFile: the file with the key's certificate")
	}
	return p, nil
}

// RoundTrip asks one question. It is an [http.RoundTripper], so it follows no redirects.
func (p *peerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.roots == nil && p.cert == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	answer, err := p.current().RoundTrip(req)
	if err == nil && answer.TLS != nil && !chainValid(answer.TLS.VerifiedChains, p.now()) {
		// A connection can outlive the certificate it was opened with. The next one is verified anew.
		answer.Body.Close()
		p.dropConnections()
		return nil, errors.New("the certificate of the leader has expired since the connection was opened")
	}
	return answer, err
}

// dropIdle closes the connections after a question that has failed by itself, so that the next one is
// asked on a new connection. It leaves http.DefaultTransport alone.
func (p *peerTransport) dropIdle() { p.dropConnections() }

// close closes the connections, and ends with them a question that may be under way.
func (p *peerTransport) close() {
	p.conns.mu.Lock()
	p.conns.closed = true
	p.conns.mu.Unlock()
	p.dropConnections()
}

func (p *peerTransport) dropConnections() {
	p.mu.Lock()
	transport := p.transport
	p.mu.Unlock()
	if transport != nil {
		transport.CloseIdleConnections()
	}
	// An HTTP/2 connection whose last question has just been given up does not count as idle yet.
	p.conns.close()
}

// current returns the transport for the next question.
func (p *peerTransport) current() *http.Transport {
	var wanted peerIdentity
	if p.roots != nil {
		wanted.roots = p.roots.Get()
	}
	if p.cert != nil {
		wanted.cert = p.cert.Get()
	}
	p.mu.Lock()
	old := p.transport
	if old != nil && p.madeOf == wanted {
		p.mu.Unlock()
		return old
	}
	p.transport, p.madeOf = p.transportOf(wanted), wanted
	transport := p.transport
	p.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
	return transport
}

func (p *peerTransport) transportOf(identity peerIdentity) *http.Transport {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Time: p.now}
	if identity.roots != nil {
		config.RootCAs = identity.roots.Pool
	}
	if identity.cert != nil {
		// Not Certificates: of those only one is shown that the server says it would accept, and none
		// else. Shown anyway, the server can log what is wrong with it.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return identity.cert, nil
		}
	}
	return &http.Transport{
		DialContext:            p.connect,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    peerDialTimeout,
		IdleConnTimeout:        peerIdleTimeout,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: maxPeerHeaderBytes,
		DisableCompression:     true, // 64 KiB are to be 64 KiB
		ForceAttemptHTTP2:      true, // which a DialContext turns off
		// A long poll says nothing for minutes: a connection that died silently shows by its pings.
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  peerPingInterval,
			PingTimeout:      peerPingTimeout,
			WriteByteTimeout: peerPingTimeout,
		},
	}
}

func (p *peerTransport) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := p.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return p.conns.add(conn)
}

// chainValid reports whether one of the chains has not expired.
func chainValid(chains [][]*x509.Certificate, now time.Time) bool {
	return now.Before(reload.ChainsEnd(chains))
}

// connections are those that are open. A transport alone cannot close one with a request on it.
type connections struct {
	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool // for good: net/http goes on dialling when a question has been given up
}

type connection struct {
	net.Conn

	all *connections
}

func (c *connections) add(conn net.Conn) (net.Conn, error) {
	added := &connection{conn, c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close() // nobody has used it
		return nil, net.ErrClosed
	}
	if c.open == nil {
		c.open = map[*connection]struct{}{}
	}
	c.open[added] = struct{}{}
	return added, nil
}

// close closes all of them.
func (c *connections) close() {
	c.mu.Lock()
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for conn := range open {
		_ = conn.Conn.Close() // nobody asks a dropped connection for its last words
	}
}

func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}
