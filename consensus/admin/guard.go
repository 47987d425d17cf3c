package admin

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
)

// guard knows who may ask.
type guard struct {
	open             bool    // everybody
	tokens           *tokens // nil: none are accepted
	certificates     bool    // verified ones are
	checkCertificate func(*x509.Certificate) error
}

func newGuard(options Options) *guard {
	g := &guard{open: options.Insecure, certificates: options.ClientCertificates, checkCertificate: options.CheckCertificate}
	if len(options.Tokens) > 0 || options.TokenSource != nil {
		g.tokens = newTokens(options.Tokens, options.TokenSource)
	}
	return g
}

// check returns why a request may not be answered.
func (g *guard) check(req *http.Request) *answer {
	if g.open {
		return nil
	}
	if g.tokens == nil && !g.certificates {
		return refuse(CodeUnguarded, errors.New("nothing tells who may do this, so nobody may: give the API tokens or client certificates to accept, or make it insecure on purpose"))
	}
	certificateErr := g.checkClient(req)
	if certificateErr == nil {
		return nil
	}
	tokenErr := certificateErr
	if g.tokens != nil {
		if tokenErr = g.tokens.check(req); tokenErr == nil {
			return nil
		}
		if g.certificates && errors.Is(tokenErr, errNoToken) {
			tokenErr = fmt.Errorf("%w, or show a client certificate (%w)", tokenErr, certificateErr)
		}
	}
	return refuse(CodeUnauthorized, tokenErr).with("WWW-Authenticate", `Bearer realm="consensus"`)
}

func (g *guard) checkClient(req *http.Request) error {
	certificate := certificateOf(req)
	switch {
	case !g.certificates:
		return errors.New("client certificates are not accepted")
	case certificate == nil:
		return errors.New("a client certificate is needed")
	case g.checkCertificate == nil:
		return nil
	}
	if err := g.checkCertificate(certificate); err != nil {
		return fmt.Errorf("the client certificate is not accepted: %w", err)
	}
	return nil
}

// certificateOf returns the client's certificate, if it was verified.
func certificateOf(req *http.Request) *x509.Certificate {
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 {
		return nil
	}
	return req.TLS.VerifiedChains[0][0]
}

// who names the client for the log, as far as that is known.
func who(req *http.Request) string {
	if certificate := certificateOf(req); certificate != nil {
		return certificate.Subject.String()
	}
	if req.Header.Get("Authorization") != "" {
		return "a bearer of a token"
	}
	return "anybody"
}
