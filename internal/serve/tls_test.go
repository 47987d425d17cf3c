package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/certs"
	"github.com/seed-6dc909bb/s3lect/internal/reload"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func authority(t *testing.T, names ...string) *certs.Result {
	t.Helper()
	made, err := certs.Make(certs.Options{Dir: t.TempDir(), Names: names})
	require.NoError(t, err)
	return made
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

// startTLS serves on the real network, and returns what clients ask.
func startTLS(t *testing.T, change func(*Options)) (f *fixture, address string) {
	t.Helper()
	f = &fixture{t: t, log: &logLines{}, storage: memory.New(), served: make(chan error, 1)}
	options := f.options()
	change(&options)
	var err error
	f.server, err = New(options)
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	go func() { f.served <- f.server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-f.served)
	})
	return f, listener.Addr().String()
}

// over returns a client that trusts the authority and shows the certificate, if there is one.
func over(t *testing.T, ca certs.Pair, own *certs.Node) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	require.True(t, config.RootCAs.AppendCertsFromPEM(read(t, ca.Cert)))
	if own != nil {
		pair, err := tls.LoadX509KeyPair(own.Cert, own.Key)
		require.NoError(t, err)
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// fetched is an answer without its body.
type fetched struct {
	status, protoMajor int
	tls                *tls.ConnectionState
}

func fetch(t *testing.T, client *http.Client, url string) (fetched, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return fetched{resp.StatusCode, resp.ProtoMajor, resp.TLS}, err
}

func TestRoundsAreAnsweredOverHTTP2(t *testing.T) {
	t.Parallel()
	made := authority(t, "server")
	_, address := startTLS(t, func(o *Options) { o.CertFile, o.KeyFile = made.Nodes[0].Cert, made.Nodes[0].Key })
	got, err := fetch(t, over(t, made.CA, nil), "https://"+address+"/api/v1/elect/s/1")
	require.NoError(t, err)
	assert.Equal(t, 202, got.status)
	assert.Equal(t, 2, got.protoMajor)
	assert.GreaterOrEqual(t, got.tls.Version, uint16(tls.VersionTLS12))

	got, err = fetch(t, http.DefaultClient, "http://"+address+"/healthz")
	require.NoError(t, err)
	assert.Equal(t, 400, got.status, "nothing is answered without encryption")
}

func TestStreamsWorkOverHTTP2AndEndWithTheServer(t *testing.T) {
	t.Parallel()
	made := authority(t, "server")
	f, address := startTLS(t, func(o *Options) {
		o.CertFile, o.KeyFile = made.Nodes[0].Cert, made.Nodes[0].Key
		withSidecar(t)(o)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/leader/watch", http.NoBody)
	require.NoError(t, err)
	resp, err := over(t, made.CA, nil).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, 2, resp.ProtoMajor)
	go func() { assert.NoError(t, f.server.sidecar.elector.Stop()) }() // events go through, whatever they are
	body := make([]byte, 1000)
	_, err = io.ReadAtLeast(resp.Body, body, len("retry: 1000\n\nevent: leadership\nid: 1\n"))
	require.NoError(t, err)
	assert.Contains(t, string(body), "event: leadership\nid: 1\n")
}

// Over HTTP/2 a deadline ends a stream that has missed it, also one that has nothing to write.
func TestSilentStreamStaysOpenOverHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		made := authority(t, "server")
		f := start(t, func(o *Options) {
			o.CertFile, o.KeyFile = made.Nodes[0].Cert, made.Nodes[0].Key
			withSidecar(t)(o)
		})
		client := over(t, made.CA, nil)
		transport, ok := client.Transport.(*http.Transport)
		require.True(t, ok)
		transport.DialContext = f.network.dial
		transport.TLSClientConfig.ServerName = "server"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server/leader/watch", http.NoBody)
		require.NoError(t, err)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 2, resp.ProtoMajor)
		lines := bufio.NewReader(resp.Body)
		for comments := 0; comments < 20; {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			if line == ": still here\n" {
				comments++
			}
		}
		transport.CloseIdleConnections()
		require.NoError(t, f.end())
	})
}

func TestRenewedCertificateIsShownToNewConnections(t *testing.T) {
	t.Parallel()
	made := authority(t, "first", "second")
	file := t.TempDir() + "/server.pem"
	put := func(n certs.Node) {
		both := append(read(t, n.Cert), read(t, n.Key)...)
		require.NoError(t, os.WriteFile(file+".new", both, 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	put(made.Nodes[0])
	_, address := startTLS(t, func(o *Options) { o.CertFile, o.KeyFile = file, file })
	shown := func() string {
		got, err := fetch(t, over(t, made.CA, nil), "https://"+address+"/healthz")
		require.NoError(t, err)
		return got.tls.PeerCertificates[0].Subject.CommonName
	}
	assert.Equal(t, "first", shown())
	put(made.Nodes[1])
	assert.Eventually(t, func() bool { return shown() == "second" }, time.Minute, reload.Interval/4)
}

func TestClientCertificatesGuardWhatIsForCandidatesAlone(t *testing.T) {
	t.Parallel()
	made, others := authority(t, "server", "client"), authority(t, "client")
	clientCA := t.TempDir() + "/clients.pem"
	require.NoError(t, os.WriteFile(clientCA, read(t, made.CA.Cert), 0o600))
	_, address := startTLS(t, func(o *Options) {
		o.CertFile, o.KeyFile, o.ClientCAFile = made.Nodes[0].Cert, made.Nodes[0].Key, clientCA
		withSidecar(t)(o)
	})
	nobody, member, stranger := over(t, made.CA, nil), over(t, made.CA, &made.Nodes[1]), over(t, made.CA, &others.Nodes[0])
	for _, path := range []string{"/api/v1/elect/s/1", "/leader", "/leader/self", "/leader/watch"} {
		got, err := fetch(t, nobody, "https://"+address+path)
		require.NoError(t, err)
		assert.Equal(t, 403, got.status, path)
		_, err = fetch(t, stranger, "https://"+address+path)
		require.Error(t, err, "not even a handshake")
	}
	got, err := fetch(t, nobody, "https://"+address+"/healthz")
	require.NoError(t, err)
	assert.Equal(t, 200, got.status)
	got, err = fetch(t, member, "https://"+address+"/api/v1/elect/s/1")
	require.NoError(t, err)
	assert.Equal(t, 202, got.status)

	require.NoError(t, os.WriteFile(clientCA+".new", read(t, others.CA.Cert), 0o600))
	require.NoError(t, os.Rename(clientCA+".new", clientCA))
	assert.Eventually(t, func() bool { // on the connection that is open already, or on a new one
		got, err := fetch(t, member, "https://"+address+"/api/v1/elected/s/1")
		return err != nil || got.status == http.StatusForbidden
	}, time.Minute, reload.Interval/4)
}

func TestFilesThatCannotBeUsedAreNamed(t *testing.T) {
	t.Parallel()
	made := authority(t, "a", "b")
	f := &fixture{t: t, log: &logLines{}, storage: memory.New()}
	for says, change := range map[string]func(*Options){
		"no such file":                      func(o *Options) { o.CertFile, o.KeyFile = "/no/such/cert", made.Nodes[0].Key },
		"cannot be used with the first":     func(o *Options) { o.CertFile, o.KeyFile = made.Nodes[0].Cert, made.Nodes[1].Key },
		"client CA: \"" + made.Nodes[0].Key: func(o *Options) { o.ClientCAFile = made.Nodes[0].Key },
	} {
		options := f.options()
		change(&options)
		_, err := New(options)
		require.ErrorContains(t, err, says)
	}
}
