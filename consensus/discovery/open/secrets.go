package open

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret is the size in bytes above which a file is none with a token or password.
const maxSecret = 4096

// secret returns what is in the file that a parameter names, or else in an environment variable; empty if there is neither.
func (a *address) secret(parameter, variable string) string {
	name := a.text(parameter)
	if name == "" {
		return os.Getenv(variable)
	}
	file, err := os.Open(name)
	if err != nil {
		a.fail(fmt.Errorf("parameter %s: %w", parameter, err))
		return ""
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	secret := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		a.fail(fmt.Errorf("parameter %s: %w", parameter, err))
	case len(data) > maxSecret:
		a.fail(fmt.Errorf("parameter %s: file %s is longer than %d bytes", parameter, name, maxSecret))
	case secret == "":
		a.fail(fmt.Errorf("parameter %s: file %s is empty", parameter, name))
	}
	return secret
}

// tls returns nil where no parameter asks for TLS.
func (a *address) tls() *tls.Config {
	off := a.values.Get("tls") == "false"
	wanted := a.boolean("tls")
	ca, cert, key := a.text("ca"), a.text("cert"), a.text("key")
	files := ca != "" || cert != "" || key != ""
	switch {
	case off && files:
		a.fail(errors.New("parameter tls=false contradicts the certificates"))
	case (cert == "") != (key == ""):
		a.fail(errors.New("parameters cert and key need each other"))
	}
	if !wanted && !files || a.err != nil {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		config.RootCAs = a.authorities(ca)
	}
	if cert != "" {
		// Certificates are renewed while a node runs.
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("client certificate %s: %w", cert, err)
			}
			return &pair, nil
		}
		if _, err := load(nil); err != nil {
			a.fail(err)
		}
		config.GetClientCertificate = load
	}
	return config
}

func (a *address) authorities(file string) *x509.CertPool {
	pool := x509.NewCertPool()
	data, err := os.ReadFile(file)
	if err != nil {
		a.fail(fmt.Errorf("parameter ca: %w", err))
	} else if !pool.AppendCertsFromPEM(data) {
		a.fail(fmt.Errorf("parameter ca: file %s has no certificates in PEM", file))
	}
	return pool
}
