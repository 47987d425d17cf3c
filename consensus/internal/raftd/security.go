package raftd

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/seed-6dc909bb/s3lect/consensus/tlsfiles"
)

// security is what tells who may talk to the node and to its API.
type security struct {
	nodes   *tls.Config // between nodes; nil means neither encryption nor authentication
	api     *tls.Config // of the API's server; nil means plain HTTP
	forward *tls.Config // for asking the API of the leader in place of a client; nil where nothing is forwarded
	// tokens are those that clients may have; nil if they need none.
	tokens             func() []string
	clientCertificates bool
}

// secure reads the files that the options name.
func (d *daemon) secure() (*security, error) {
	s := &security{}
	o := d.options
	if o.TokenFile != "" {
		tokens, err := watchTokens(o.TokenFile, d.log)
		if err != nil {
			return nil, err
		}
		s.tokens = tokens.get
	}
	if o.TLS.Cert != "" {
		var err error
		if s.nodes, err = tlsfiles.Load(o.TLS.Cert, o.TLS.Key, o.TLS.CA, d.log); err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key, --tls-ca: %w", err)
		}
	}
	if err := d.secureAPI(s); err != nil {
		return nil, err
	}
	return s, nil
}

func (d *daemon) secureAPI(s *security) error {
	files := d.options.apiTLS()
	if files.Cert == "" {
		return nil
	}
	s.clientCertificates = files.CA != ""
	var err error
	if files == d.options.TLS {
		s.api, s.forward = s.nodes.Clone(), s.nodes.Clone()
	} else if s.api, s.forward, err = d.ownCertificate(files); err != nil {
		return err
	}
	// Looking needs no certificate, and changing things may be by token.
	s.api.ClientAuth = tls.NoClientCert
	if s.clientCertificates {
		s.api.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if !d.options.Forward {
		s.forward = nil
	}
	return nil
}

// ownCertificate makes configurations of files that are the API's alone. They may come from a public authority, which
// signs neither nodes nor clients.
func (d *daemon) ownCertificate(files Files) (server, client *tls.Config, err error) {
	certificate, err := watch("certificate of the API", []string{files.Cert, files.Key}, d.log, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			return nil, fmt.Errorf("--api-tls-cert %s, --api-tls-key %s: %w", files.Cert, files.Key, err)
		}
		return &pair, nil
	})
	if err != nil {
		return nil, nil, err
	}
	server = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.get(), nil },
		// A resumed session would go on with a certificate that is gone.
		SessionTicketsDisabled: true,
	}
	client = &tls.Config{
		MinVersion:           tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate.get(), nil },
	}
	if files.CA == "" {
		return server, client, nil
	}
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("--api-tls-ca: %w", err)
	}
	server.ClientCAs = x509.NewCertPool()
	if client.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, nil, fmt.Errorf("read the system's authorities: %w", err)
	}
	if !server.ClientCAs.AppendCertsFromPEM(pem) || !client.RootCAs.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("--api-tls-ca %s: there is no certificate in it", files.CA)
	}
	return server, client, nil
}
