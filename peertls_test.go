package s3lect

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/reload"
)

func newTestTransport(t *testing.T, config peerTLS, log *slog.Logger, clock *testClock) *peerTransport {
	t.Helper()
	now := time.Now
	if clock != nil {
		now = clock.now
	}
	p, err := newPeerTransport(config, log, now)
	require.NoError(t, err)
	t.Cleanup(p.close)
	return p
}

func question(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return req
}

func TestPeerTLSNamesTheFieldThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	cert := ca.issue(t, "node")
	files := newPairFiles(t, cert)
	for want, config := range map[string]peerTLS{
		"PeerCACert holds no PEM certificate":               {CACert: []byte("x")},
		"PeerCAFile: cannot read \"nowhere\"":               {CAFile: "nowhere"},
		"PeerCertFile and PeerKeyFile: cannot read":         {CertFile: "nowhere", KeyFile: files.key},
		"PeerCertFile and PeerKeyFile: certificate file":    {CertFile: files.key, KeyFile: files.cert},
		"PeerKeyFile is required beside PeerCertFile":       {CertFile: files.cert},
		"PeerCertFile is required beside PeerKeyFile":       {KeyFile: files.key},
		"PeerCertificate needs a certificate":               {Certificate: &tls.Certificate{}},
		"PeerCertificate and PeerCertFile with PeerKeyFile": {Certificate: &cert, CertFile: files.cert, KeyFile: files.key},
	} {
		require.ErrorContains(t, config.check(), want)
	}
	for _, config := range []peerTLS{
		{}, {CACert: ca.pem}, {Certificate: &cert}, {CACert: ca.pem, CertFile: files.cert, KeyFile: files.key},
	} {
		require.NoError(t, config.check())
	}
}

func TestWithoutCertificatesTheDefaultTransportOfTheMomentIsUsed(t *testing.T) { // not parallel: it replaces it
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	p := newTestTransport(t, peerTLS{}, quiet(), nil)
	for _, name := range []string{"first", "second"} {
		http.DefaultTransport = transportFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{Status: name, Body: http.NoBody}, nil
		})
		answer, err := carry(p, question(t, "https://127.0.0.1:1/"))
		require.NoError(t, err)
		assert.Equal(t, name, answer.Status)
		p.dropIdle() // and leaves it alone
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestQuestionsShareOneConnectionUntilItIsDropped(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	cert := ca.issue(t, "node")
	_, url := startHealthServer(t, HealthServerConfig{Certificate: cert, ClientCACert: ca.pem}, time.Now)
	p := newTestTransport(t, peerTLS{CACert: ca.pem, Certificate: &cert}, quiet(), nil)
	ask := func() (local string) {
		answer, err := carry(p, question(t, url))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.Equal(t, 2, answer.ProtoMajor)
		assert.EqualValues(t, tls.VersionTLS13, answer.TLS.Version)
		p.conns.mu.Lock()
		defer p.conns.mu.Unlock()
		require.Len(t, p.conns.open, 1)
		for conn := range p.conns.open {
			local = conn.LocalAddr().String()
		}
		return local
	}
	first := ask()
	for range 3 {
		assert.Equal(t, first, ask())
	}
	p.dropIdle()
	assert.NotEqual(t, first, ask())
}

func TestPeerOfAnotherAuthorityOrNameIsNotBelieved(t *testing.T) {
	t.Parallel()
	ca, other := newTestCA(t, "ca"), newTestCA(t, "other")
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "node")}, time.Now)
	cert := other.issue(t, "client")
	for _, config := range []peerTLS{{CACert: other.pem}, {Certificate: &cert}} { // the latter: the system's
		_, err := carry(newTestTransport(t, config, quiet(), nil), question(t, url))
		unknown := new(tls.CertificateVerificationError)
		require.ErrorAs(t, err, &unknown)
	}
	p := newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil)
	_, err := carry(p, question(t, strings.Replace(url, "127.0.0.1", "localhost", 1)))
	require.ErrorContains(t, err, "localhost", "the name is checked")
	_, err = carry(p, question(t, url))
	require.NoError(t, err)
}

func TestPeerWithAnOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "node")}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := carry(newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil), question(t, server.URL))
	require.ErrorContains(t, err, "protocol version")
}

func TestPeerThatAnswersWithEndlessHeadersIsRefused(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	for _, http2 := range []bool{true, false} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Much", strings.Repeat("x", 2*maxPeerHeaderBytes))
		}))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "node")}, MinVersion: tls.VersionTLS12}
		server.EnableHTTP2 = http2
		server.StartTLS()
		t.Cleanup(server.Close)
		_, err := carry(newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil), question(t, server.URL))
		require.Error(t, err)
	}
}

func TestRedirectOfAPeerIsNotFollowed(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	server := httptest.NewUnstartedServer(http.RedirectHandler("https://127.0.0.1:1/", http.StatusFound))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "node")}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	answer, err := carry(newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil), question(t, server.URL))
	require.NoError(t, err)
	assert.Equal(t, http.StatusFound, answer.StatusCode)
}

func TestChangedCertificateFilesAreUsedForTheNextQuestion(t *testing.T) {
	t.Parallel()
	ca, other, clock := newTestCA(t, "ca"), newTestCA(t, "other"), &testClock{}
	seen := make(chan string, 1)
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server"), ClientCACert: ca.pem}, time.Now, func(h *HealthServer) {
		h.leadership = func(_ http.ResponseWriter, req *http.Request) {
			seen <- req.TLS.PeerCertificates[0].Subject.CommonName
		}
	})
	files, caFile := newPairFiles(t, ca.issue(t, "first")), newFile(t, ca.pem)
	p := newTestTransport(t, peerTLS{CAFile: caFile, CertFile: files.cert, KeyFile: files.key}, quiet(), clock)
	ask := func() (string, error) {
		clock.advance(reload.Interval)
		if _, err := carry(p, question(t, url)); err != nil {
			return "", err
		}
		return <-seen, nil
	}
	name, err := ask()
	require.NoError(t, err)
	assert.Equal(t, "first", name)

	files.replace(t, ca.issue(t, "second"))
	name, err = ask()
	require.NoError(t, err)
	assert.Equal(t, "second", name)

	replaceFile(t, files.cert, []byte("half a certifi"))
	name, err = ask()
	require.NoError(t, err)
	assert.Equal(t, "second", name, "a broken file changes nothing")

	replaceFile(t, caFile, other.pem)
	_, err = ask()
	require.Error(t, err, "the server's authority is not trusted any more, on the open connection neither")
}

func TestServerCertificateThatExpiresOnAnOpenConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	ca, clock := newTestCA(t, "ca"), &testClock{}
	files := newPairFiles(t, ca.issue(t, "server", lasting(time.Hour)))
	_, url := startHealthServer(t, HealthServerConfig{CertFile: files.cert, KeyFile: files.key}, clock.now)
	p := newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), clock)
	_, err := carry(p, question(t, url))
	require.NoError(t, err)
	files.replace(t, ca.issue(t, "server", lasting(3*time.Hour)))
	clock.advance(2 * time.Hour)
	_, err = carry(p, question(t, url))
	require.ErrorContains(t, err, "has expired since")
	_, err = carry(p, question(t, url))
	require.NoError(t, err, "a new connection sees the new certificate")
}

func TestCloseEndsAQuestionUnderWay(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "ca")
	waiting := make(chan struct{})
	_, url := startHealthServer(t, HealthServerConfig{Certificate: ca.issue(t, "server")}, time.Now, func(h *HealthServer) {
		h.leadership = func(_ http.ResponseWriter, req *http.Request) {
			close(waiting)
			<-req.Context().Done()
		}
	})
	p := newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil)
	req, asked := question(t, url), make(chan error)
	go func() {
		_, err := carry(p, req)
		asked <- err
	}()
	<-waiting
	p.close()
	require.Error(t, <-asked)
	assert.Empty(t, p.conns.open)
}

// silence is a connection whose other side can fall silent without closing it.
type silence struct {
	net.Conn

	fallen chan struct{}
}

func (s silence) Write(data []byte) (int, error) {
	select {
	case <-s.fallen:
		return len(data), nil // sent, and lost
	default:
		return s.Conn.Write(data)
	}
}

func TestConnectionThatDiesSilentlyIsFoundByItsPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, network, fallen := newTestCA(t, "ca"), newPipeNet(), make(chan struct{})
		h, err := newHealthServer(HealthServerConfig{BindAddress: ":1", Certificate: ca.issue(t, "server"), Elector: &fakeElector{}, Logger: quiet()}, time.Now)
		require.NoError(t, err)
		h.leadership = func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
		require.NoError(t, h.start(t.Context(), func() (net.Listener, error) {
			return silentListener{network, fallen}, nil
		}))
		p := newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil)
		p.dial = network.dial
		req, asked := question(t, pipeURL), make(chan error)
		go func() {
			_, err := carry(p, req)
			asked <- err
		}()
		synctest.Wait()
		for range 6 {
			time.Sleep(time.Second)
		}
		close(fallen)
		begun := time.Now()
		require.ErrorContains(t, <-asked, "connection lost")
		assert.LessOrEqual(t, time.Since(begun), peerPingInterval+peerPingTimeout)
		p.close()
		require.NoError(t, h.Stop(t.Context()))
	})
}

type silentListener struct {
	net.Listener

	fallen chan struct{}
}

func (l silentListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return silence{conn, l.fallen}, err
}

// net/http goes on dialling when a question has been given up.
func TestConnectionThatComesAboutAfterCloseIsClosed(t *testing.T) {
	ca := newTestCA(t, "ca")
	p := newTestTransport(t, peerTLS{CACert: ca.pem}, quiet(), nil)
	dialled, goOn := make(chan struct{}), make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	p.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		close(dialled)
		<-goOn
		return (&net.Dialer{}).DialContext(context.WithoutCancel(ctx), network, listener.Addr().String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:1/", http.NoBody)
		resp, err := p.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
	}()
	<-dialled
	p.close() // as run.part does, which cancels the question and does not wait for it
	cancel()
	<-done
	close(goOn)
	conn, err := listener.Accept()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Second)))
	buf := make([]byte, 4096)
	for {
		if _, err = conn.Read(buf); err != nil {
			break
		}
	}
	var timeout net.Error
	assert.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open: %v", err)
}
