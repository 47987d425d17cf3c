package redisserver

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The client library writes to standard error whatever it meets, which in these tests are the
// faults that they make.
func init() { logging.Disable() }

// options are for clients of tests, which want to see every error.
func (s *Server) options() *goredis.Options {
	return &goredis.Options{
		Addr: s.Address, Password: s.password, TLSConfig: s.tlsConfig(),
		MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

func (s *Server) tlsConfig() *tls.Config {
	if s.files == nil {
		return nil
	}
	authority, err := os.ReadFile(s.files.CA)
	if err != nil {
		panic(err) // cannot be: the files were made by this package
	}
	pair, err := tls.LoadX509KeyPair(s.files.ClientCert, s.files.ClientKey)
	if err != nil {
		panic(err) // the same
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
}
