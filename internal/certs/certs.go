// Package certs makes a private certificate authority and certificates for the nodes of a small
// fleet, each good for serving and for asking. It writes PEM files, and never over one that exists.
package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"path/filepath"
	"strings"
	"time"
)

// Default lifetimes: a node's certificate is renewed each year, and the authority outlives a few
// generations of machines.
const (
	DefaultLifetime   = 365 * 24 * time.Hour
	DefaultCALifetime = 10 * DefaultLifetime
)

// Options say what to make.
type Options struct {
	// Dir holds the authority: ca.pem and ca-key.pem. Where neither is there, both are made.
	Dir string
	// Out is where the nodes' files go: NAME.pem and NAME-key.pem. Defaults to Dir.
	Out string
	// Names are those of the nodes. Each is a host name or an IPv4 address, and its certificate is good
	// for it.
	Names []string
	// Hosts are further host names and IP addresses that every certificate made now is good for.
	// Defaults to localhost and its addresses.
	Hosts []string
	// Lifetime and CALifetime are of the nodes' certificates and of the authority's, if one is made.
	// A certificate never outlives its authority. Default to a year and ten years.
	Lifetime, CALifetime time.Duration
	// Now defaults to time.Now.
	Now func() time.Time
}

// Pair is a certificate and its key, in two files.
type Pair struct {
	Cert    string    `json:"cert"` // the file
	Key     string    `json:"key"`  // the file
	Made    bool      `json:"made"` // now; false for an authority that was there
	Hosts   []string  `json:"hosts,omitempty"`
	Expires time.Time `json:"expires"`
	// Shortened says that the certificate expires with its authority, earlier than was asked for.
	Shortened bool `json:"shortened,omitempty"`
	// SHA256 is the certificate's fingerprint.
	SHA256 string `json:"sha256"`
}

// Node is a pair with the name it was made for.
type Node struct {
	Name string `json:"name"`
	Pair
}

// Result is what was made.
type Result struct {
	CA    Pair   `json:"ca"`
	Nodes []Node `json:"nodes"`
}

// Make makes an authority, unless there is one, and a certificate for each name. Everything that can
// be checked is checked before the first file is written; if writing fails all the same, what was
// written is removed again, and the error names whatever could not be.
func Make(o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	ca, err := o.openAuthority()
	if err != nil {
		return nil, err
	}
	var all files
	result := &Result{CA: ca.pair}
	for _, name := range o.Names {
		node, err := o.issue(ca, name, &all)
		if err != nil {
			return nil, err
		}
		result.Nodes = append(result.Nodes, node)
	}
	// The authority comes last: once another run can see it and sign with it, it is here to stay.
	if ca.pair.Made {
		if err := all.add(ca.pair, ca.cert, ca.key); err != nil {
			return nil, err
		}
	}
	if err := all.write(); err != nil {
		return nil, err
	}
	return result, nil
}

func (o *Options) setDefaults() {
	if o.Out == "" {
		o.Out = o.Dir
	}
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	if o.CALifetime == 0 {
		o.CALifetime = DefaultCALifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func pairIn(dir, name string, cert *x509.Certificate) Pair {
	return Pair{
		Cert: filepath.Join(dir, name+certSuffix), Key: filepath.Join(dir, name+keySuffix),
		Expires: cert.NotAfter, SHA256: fingerprint(cert),
	}
}

// fingerprint is written as browsers and openssl do.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	octets := make([]string, len(sum))
	for i := range sum {
		octets[i] = strings.ToUpper(hex.EncodeToString(sum[i : i+1]))
	}
	return strings.Join(octets, ":")
}
