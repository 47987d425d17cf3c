package s3lect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

// A process without an HTTPS server of its own lets a HealthServer answer. With ClientCAFile only
// those are answered that show a certificate of that authority.
func ExampleHealthServer() {
	certFile, keyFile, caFile, cleanUp := newExampleCertificates()
	defer cleanUp()

	ctx := context.Background()
	elector := newExampleElector("replica-1", memory.New())
	server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
		BindAddress:  "127.0.0.1:0", // a fixed port in real life: that of ServerAddr
		CertFile:     certFile,      // may be replaced at any time
		KeyFile:      keyFile,
		ClientCAFile: caFile,
		Elector:      elector,
	})
	if err != nil {
		panic(err)
	}
	if err := server.Start(ctx); err != nil { // the address is in use, for instance
		panic(err)
	}
	client, err := newExampleClient(certFile, keyFile, caFile)
	if err != nil {
		panic(err)
	}
	ask := func() string {
		answer, err := client.Get("https://" + server.Addr().String() + s3lect.DefaultPeerHealthPath)
		if err != nil {
			panic(err)
		}
		defer answer.Body.Close()
		return answer.Status
	}
	fmt.Println("following:", ask())
	err = elector.Lead(ctx, func(context.Context, int64) error {
		fmt.Println("leading:", ask())
		return nil
	})
	if err != nil {
		panic(err)
	}

	// Requests under way are answered before Stop returns.
	stopping, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := server.Stop(stopping); err != nil {
		panic(err)
	}
	// Output:
	// following: 404 Not Found
	// leading: 200 OK
}

// A process that serves HTTPS already mounts the handler beside its own pages.
func ExampleNewLeadershipHandler_existingMux() {
	elector := newExampleElector("replica-1", memory.New())
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the shop") })
	mux.Handle(s3lect.DefaultPeerHealthPath, s3lect.NewLeadershipHandler(elector, nil))
	server := httptest.NewTLSServer(mux)
	defer server.Close()

	for _, path := range []string{"/", s3lect.DefaultPeerHealthPath} {
		answer, err := server.Client().Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		fmt.Printf("%d %s\n", answer.StatusCode, body)
	}
	// Output:
	// 200 the shop
	// 404 not the leader
}

// In peer mode followers learn from the leader itself, and hardly read the storage. Each member shows
// its certificate, asking and answering; all files may be replaced at any time.
func ExampleElectorConfig_peerMode() {
	certFile, keyFile, caFile, cleanUp := newExampleCertificates()
	defer cleanUp()

	ctx := context.Background()
	storage := memory.New()
	join := func(id string) (elector *s3lect.S3Elector, leave func()) {
		elector = newExampleElector(id, storage)
		server, err := s3lect.NewHealthServer(s3lect.HealthServerConfig{
			BindAddress:  "127.0.0.1:0",
			CertFile:     certFile, // for its address
			KeyFile:      keyFile,
			ClientCAFile: caFile,
			Elector:      elector,
		})
		if err != nil {
			panic(err)
		}
		if err := server.Start(ctx); err != nil {
			panic(err)
		}
		err = elector.UpdateConfig(s3lect.ElectorConfig{
			LockfilePath: "scheduler.json",
			ServerID:     id,
			ServerAddr:   server.Addr().String(), // where the others find it
			PeerMode:     true,
			PeerCertFile: certFile,
			PeerKeyFile:  keyFile,
			PeerCAFile:   caFile,
		})
		if err != nil {
			panic(err)
		}
		if err := elector.Start(ctx); err != nil {
			panic(err)
		}
		return elector, func() {
			if err := errors.Join(elector.Stop(), server.Stop(ctx)); err != nil { // in this order
				panic(err)
			}
		}
	}

	leader, leave := join("replica-1")
	defer leave()
	if err := leader.WaitForLeadership(ctx); err != nil {
		panic(err)
	}
	follower, leave := join("replica-2")
	defer leave()
	for status := (&s3lect.LeadershipStatus{}); status.PeerLastSeen.IsZero(); {
		var err error
		if status, err = follower.WaitForNextElection(ctx, status.LastElectionTime); err != nil {
			panic(err)
		}
	}
	fmt.Println("replica-2 has heard", follower.LeaderID())

	if err := leader.TransferLeadership(ctx, "replica-2"); err != nil {
		panic(err)
	}
	if err := follower.WaitForLeadership(ctx); err != nil { // takes a moment, not a lease
		panic(err)
	}
	fmt.Println("replica-2 leads with term", follower.Term())
	// Output:
	// replica-2 has heard replica-1
	// replica-2 leads with term 2
}

func newExampleClient(certFile, keyFile, caFile string) (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(ca)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}, nil
}

// newExampleCertificates makes a certificate that is its own authority, to be short.
func newExampleCertificates() (certFile, keyFile, caFile string, cleanUp func()) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "s3lect-example-")
	if err != nil {
		panic(err)
	}
	certFile, keyFile = filepath.Join(dir, "node.pem"), filepath.Join(dir, "node.key")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			panic(err)
		}
	}
	return certFile, keyFile, certFile, func() {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
	}
}
