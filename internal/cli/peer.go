package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

// peerFiles are what the members of an election know each other by.
type peerFiles struct{ caFile, certFile, keyFile, path string }

func (p *peerFiles) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.caFile, "peer-ca", "", "PEM `file` of the CA that signed the members' certificates")
	f.StringVar(&p.certFile, "peer-cert", "", "PEM `file` of this member's certificate (\"s3lect certs\" makes some)")
	f.StringVar(&p.keyFile, "peer-key", "", "PEM `file` of its key")
	f.StringVar(&p.path, "peer-path", s3lect.DefaultPeerHealthPath, "`path` at which leaders answer, the same for all members")
}

// peerFile is one of peerFiles, with the flag that names it.
type peerFile struct{ flag, name string }

func (p peerFiles) files() []peerFile {
	return []peerFile{{"--peer-ca", p.caFile}, {"--peer-cert", p.certFile}, {"--peer-key", p.keyFile}}
}

// required names the files that are missing for what is to be done.
func (p peerFiles) required(what string) error {
	var missing []string
	for _, f := range p.files() {
		if f.name == "" {
			missing = append(missing, f.flag)
		}
	}
	if missing == nil {
		return nil
	}
	return usageErrorf("%s needs %s as well: the files of a certificate authority and of a certificate that it signed; make some with\n"+
		"  s3lect certs NAME", what, strings.Join(missing, ", "))
}

// load reads the files once, for one question. An error tells flag and name.
func (p peerFiles) load(what string) (*tls.Config, error) {
	if err := p.required(what); err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(p.caFile)
	if err != nil {
		return nil, usageErrorf("--peer-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, usageErrorf("--peer-ca %s: there is no valid PEM certificate in it", p.caFile)
	}
	cert, err := os.ReadFile(p.certFile)
	if err != nil {
		return nil, usageErrorf("--peer-cert: %w", err)
	}
	key, err := os.ReadFile(p.keyFile)
	if err != nil {
		return nil, usageErrorf("--peer-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, usageErrorf("--peer-cert %s, --peer-key %s: %w", p.certFile, p.keyFile, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}

// expired says that others will refuse the certificate.
func (p peerFiles) expired(config *tls.Config, now time.Time) error {
	if leaf := config.Certificates[0].Leaf; now.After(leaf.NotAfter) {
		return fmt.Errorf("--peer-cert %s expired on %s: \"s3lect certs --help\" tells how to replace it", p.certFile, leaf.NotAfter.UTC().Format(time.DateTime+" MST"))
	}
	return nil
}

// errRefused says that the other side will not accept a certificate.
var errRefused = errors.New("it accepts those of another certificate authority only")

// client returns an HTTP client for one question. It goes nowhere but to the address asked.
func client(config *tls.Config) *http.Client {
	config = config.Clone()
	own := &config.Certificates[0]
	// Without a word, no certificate would be sent to a server that does not accept this one.
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if err := request.SupportsCertificate(own); err != nil {
			return nil, errRefused
		}
		return own, nil
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// splitAddress takes host:port apart. Addresses out of a record are a stranger's word.
func splitAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	switch {
	case err != nil:
		return "", "", err
	case strings.ContainsAny(host, "/@?# "):
		return "", "", errors.New("it must be host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", errors.New("its port must be a number from 1 to 65535")
	}
	return host, port, nil
}
