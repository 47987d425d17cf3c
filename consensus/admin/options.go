package admin

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	defaultTimeout = 10 * time.Second
	defaultMaxBody = 2 << 20 // a command of 1 MiB in base64, and what is around it
)

// Options change what [New] does by default.
type Options struct {
	// Prefix is before every path, such as "/raft". Defaults to none.
	Prefix string

	// Tokens are the bearer tokens of which a request that changes or reads something must have one.
	Tokens []string
	// TokenSource, if there is one, is asked for more tokens at each such request, so that they can be replaced while the node
	// runs. Those that could never be sent are left out. It must be fast and safe for concurrent use.
	TokenSource func() []string
	// ClientCertificates accepts requests that come over TLS with a verified certificate in place of a token. The
	// server must ask for certificates: tls.VerifyClientCertIfGiven or tls.RequireAndVerifyClientCert.
	ClientCertificates bool
	// CheckCertificate, if there is one, is asked about each verified certificate. Without it every certificate of the
	// server's client authorities will do. It must be safe for concurrent use.
	CheckCertificate func(*x509.Certificate) error
	// GuardAll demands a token or certificate for everything but GET {prefix}/health.
	GuardAll bool
	// Insecure lets everybody who reaches the server change and read everything. Without it, and without any of the
	// above, such requests are refused.
	Insecure bool

	// Forward has a follower ask the leader in place of the client, where the leader's API is known; see
	// consensus.WithAPIAddress. The leader sees the client's token and checks it, too.
	Forward bool
	// ForwardTLS has the authorities that have signed the certificates of the other nodes' APIs, and a certificate for this node
	// to show them. A leader that accepts it trusts this node's judgement about who may ask.
	ForwardTLS *tls.Config

	// MaxBody is the size in bytes above which the body of a request is refused. Defaults to 2 MiB.
	MaxBody int64
	// Timeout bounds one request, its body included. Defaults to 10s.
	Timeout time.Duration

	// DecodeQuery makes of the query in a request what the state machine's Query takes. Its error is told to the client with 400.
	// Defaults to the json.RawMessage as it came.
	DecodeQuery func(json.RawMessage) (any, error)

	// Registerer gets the metrics of the node and of this API, and Gatherer is served at {prefix}/metrics; either both
	// or none. Defaults to a registry of its own, with the metrics of the process as well.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer

	// Version is told by {prefix}/status. Defaults to that of this module in the program.
	Version string
	// Logger gets what has failed, and who has changed something. Defaults to slog.Default().
	Logger *slog.Logger
}

// withDefaults returns the options as they are in force, or what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	guarded := len(o.Tokens) > 0 || o.TokenSource != nil || o.ClientCertificates
	switch {
	case o.Prefix != "" && !isPrefix(o.Prefix):
		return o, fmt.Errorf("Options.Prefix %q must begin with a slash, not end with one, and be a plain path", o.Prefix)
	case o.MaxBody < 0:
		return o, fmt.Errorf("Options.MaxBody %d must not be negative", o.MaxBody)
	case o.Timeout < 0:
		return o, fmt.Errorf("Options.Timeout %v must not be negative", o.Timeout)
	case (o.Registerer == nil) != (o.Gatherer == nil):
		return o, errors.New("Options.Registerer and Options.Gatherer need each other")
	case o.CheckCertificate != nil && !o.ClientCertificates:
		return o, errors.New("Options.CheckCertificate needs Options.ClientCertificates")
	case o.Insecure && guarded:
		return o, errors.New("Options.Insecure contradicts tokens and client certificates: it would let everybody in")
	case o.Insecure && o.GuardAll, o.GuardAll && !guarded:
		return o, errors.New("Options.GuardAll needs Tokens, TokenSource or ClientCertificates, or nobody could ask anything")
	case o.ForwardTLS != nil && !o.Forward:
		return o, errors.New("Options.ForwardTLS needs Options.Forward")
	}
	for i, token := range o.Tokens {
		if !usable(token) {
			return o, fmt.Errorf("Options.Tokens: token %d of %d is empty or contains a space or something unprintable, and could never be sent", i+1, len(o.Tokens))
		}
	}
	o.MaxBody = cmp.Or(o.MaxBody, defaultMaxBody)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.Version = cmp.Or(o.Version, moduleVersion())
	if o.DecodeQuery == nil {
		o.DecodeQuery = func(query json.RawMessage) (any, error) { return query, nil }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

// isPrefix says whether paths can be compared with the prefix as they were sent.
func isPrefix(prefix string) bool {
	u, err := url.Parse(prefix)
	return err == nil && prefix[0] == '/' && !strings.HasSuffix(prefix, "/") && !strings.Contains(prefix, "//") &&
		u.EscapedPath() == prefix && u.Path == prefix
}
