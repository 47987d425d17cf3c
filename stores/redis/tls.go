package redis

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsFiles are what a URL says about TLS.
type tlsFiles struct {
	on                        bool
	ca, cert, key, serverName string
}

func (f tlsFiles) isSet() bool { return f.ca+f.cert+f.key+f.serverName != "" }

// loadTLS reads the files once, so that wrong ones are named at once.
func (u *redisURL) loadTLS() error {
	if !u.tls.on {
		return nil
	}
	// Without a name, each server is verified by the host that it was reached at.
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.tls.serverName}
	if u.tls.ca != "" {
		pem, err := os.ReadFile(u.tls.ca)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca_file: %s has no certificate in PEM", u.tls.ca)
		}
	}
	if u.tls.cert != "" {
		if _, err := u.tls.certificate(nil); err != nil {
			return err
		}
		config.GetClientCertificate = u.tls.certificate
	}
	u.TLSConfig = config
	return nil
}

// certificate reads the files anew, so that a renewed certificate is used without a restart.
func (f tlsFiles) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("cert_file and key_file: %w", err)
	}
	return &pair, nil
}
