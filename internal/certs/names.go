package certs

import (
	"fmt"
	"net"
	"strings"
)

const (
	authorityName = "ca"
	certSuffix    = ".pem"
	keySuffix     = "-key.pem"

	maxName = 64  // characters of a certificate's common name
	maxHost = 253 // characters of a host name
)

// Validate names what cannot be used, and does no I/O.
func (o Options) Validate() error {
	switch {
	case o.Dir == "":
		return fmt.Errorf("the directory of the certificate authority is required")
	case len(o.Names) == 0:
		return fmt.Errorf("at least one name is required: that of a node, such as its host name")
	case o.Lifetime < 0:
		return fmt.Errorf("lifetime %v must be positive", o.Lifetime)
	case o.CALifetime < 0:
		return fmt.Errorf("ca-lifetime %v must be positive", o.CALifetime)
	}
	seen := map[string]bool{}
	for _, name := range o.Names {
		if err := checkName(name); err != nil {
			return err
		}
		folded := strings.ToLower(name) // some file systems make no difference
		if seen[folded] {
			return fmt.Errorf("name %q is given twice", name)
		}
		seen[folded] = true
	}
	for _, host := range o.Hosts {
		if !isHost(strings.TrimPrefix(host, "*.")) && net.ParseIP(host) == nil {
			return fmt.Errorf("host %q must be a host name or an IP address, without a port", host)
		}
	}
	return nil
}

// checkName permits names that are host names, and file names on every system.
func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return fmt.Errorf("a name is empty")
	case len(name) > maxName:
		return fmt.Errorf("name %q is %d characters long; at most %d are allowed", name, len(name), maxName)
	case net.ParseIP(name) != nil && !isHost(name):
		return fmt.Errorf("name %q, an IPv6 address, cannot be the name of files: choose another, and give the address as a host", name)
	case !isHost(name):
		return fmt.Errorf("name %q must be a host name: letters, digits, hyphens, underscores, and dots between them", name)
	case lower == authorityName:
		return fmt.Errorf("name %q is the certificate authority's", name)
	case strings.HasSuffix(lower, "-key"):
		return fmt.Errorf("name %q must not end in \"-key\", as the files of keys do", name)
	}
	return nil
}

// isHost reports whether s is a host name. Underscores are no part of one by the book, and are in
// use all the same.
func isHost(s string) bool {
	if len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isHostRune(r) }) {
			return false
		}
	}
	return true
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}
