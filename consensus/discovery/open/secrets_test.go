package open_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/discovery/open"
)

func TestSecretsInURLsAreRefusedAndNotShown(t *testing.T) {
	t.Setenv("ETCDCTL_PASSWORD", "v3ry-secret")
	t.Setenv("CONSUL_HTTP_TOKEN", "v3ry-secret\n")
	for _, url := range []string{
		"v3ry-secret",
		"etcd://root:v3ry-secret@127.0.0.1:2379/raft",
		"consul://v3ry-secret@127.0.0.1:8500/raft",
		"consul://127.0.0.1:8500/raft?token=v3ry-secret",
		"etcd://127.0.0.1:2379/raft?user=raft&password=v3ry-secret",
		"etcd://127.0.0.1:2379/?user=raft",
		"consul://127.0.0.1:8500/raft", // the token with the end of a line
	} {
		_, err := open.Open(url, nil)
		require.Error(t, err, url)
		assert.NotContains(t, err.Error(), "v3ry-secret", url)
	}
}

// emptyAgent answers with an empty list, and hands on what tell takes from the request.
func emptyAgent[T any](t *testing.T, tell func(*http.Request) T) (*httptest.Server, <-chan T) {
	t.Helper()
	told := make(chan T, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- tell(r)
		w.Header().Set("X-Consul-Index", "1")
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(server.Close)
	return server, told
}

func ask(t *testing.T, url string) {
	t.Helper()
	d, err := open.Open(url, nil)
	require.NoError(t, err)
	require.NoError(t, d.Start(t.Context()))
	_, err = d.GetNodes(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.Stop(t.Context()))
}

func TestTokenComesFromFileOrEnvironment(t *testing.T) {
	agent, tokens := emptyAgent(t, func(r *http.Request) string { return r.Header.Get("X-Consul-Token") })
	agent.Start()
	url := "consul://" + strings.TrimPrefix(agent.URL, "http://") + "/raft"
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("from the file\n"), 0o600))
	t.Setenv("CONSUL_HTTP_TOKEN", "from the environment")

	ask(t, url)
	assert.Equal(t, "from the environment", <-tokens)
	ask(t, url+"?token-file="+file)
	assert.Equal(t, "from the file", <-tokens)
}

func TestClientCertificateIsReadFromItsFiles(t *testing.T) {
	agent, shown := emptyAgent(t, func(r *http.Request) int { return len(r.TLS.PeerCertificates) })
	agent.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	agent.StartTLS()
	directory := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(directory, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	// The server's own certificate is everything that a client needs.
	der, err := x509.MarshalPKCS8PrivateKey(agent.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	certificate, key := write("certificate.pem", "CERTIFICATE", agent.Certificate().Raw), write("key.pem", "PRIVATE KEY", der)

	ask(t, "consul://"+strings.TrimPrefix(agent.URL, "https://")+"/raft?ca="+certificate+"&cert="+certificate+"&key="+key)
	assert.Equal(t, 1, <-shown)
}
