package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNotRunning is the answer of every method before Start and after Stop.
var ErrNotRunning = errors.New("discovery is not running")

// What a tag may be. The limits are those of the strictest directory, so that a node that is taken by one is taken by all.
const (
	maxTags     = 32
	maxTagKey   = 64  // characters
	maxTagValue = 512 // bytes
)

// Validate says what is wrong with a node: its ID, an address that others cannot connect to, a port that is not one, or tags that
// not every directory can keep (up to 32; keys of up to 64 letters, digits, '-' and '_'; values of up to 512 bytes).
func (n Node) Validate() error {
	if err := CheckID(n.ID); err != nil {
		return err
	}
	if err := checkAddress(n.Address); err != nil {
		return fmt.Errorf("node %s: %w", n.ID, err)
	}
	if n.Port < 1 || n.Port > 65535 {
		return fmt.Errorf("node %s: port %d is not between 1 and 65535", n.ID, n.Port)
	}
	if err := checkTags(n.Tags); err != nil {
		return fmt.Errorf("node %s: %w", n.ID, err)
	}
	return nil
}

// CheckID says what is wrong with the ID of a node, which has 1 to 128 printable characters and no spaces.
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("node ID is empty")
	case utf8.RuneCountInString(id) > 128:
		return fmt.Errorf("node ID %.16q... is longer than 128 characters", id)
	case !utf8.ValidString(id):
		return fmt.Errorf("node ID %q is not UTF-8", id)
	case strings.ContainsFunc(id, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return fmt.Errorf("node ID %q has spaces or characters that cannot be printed", id)
	}
	return nil
}

func checkAddress(address string) error {
	if ip, err := netip.ParseAddr(address); err == nil {
		if ip.IsUnspecified() {
			return fmt.Errorf("address %s cannot be connected to: give the one that other nodes reach", address)
		}
		return nil
	}
	if address == "" {
		return errors.New("address is empty")
	}
	if len(address) > 253 {
		return fmt.Errorf("address %.16q... is longer than 253 characters", address)
	}
	for label := range strings.SplitSeq(address, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInHostName) {
			return fmt.Errorf("address %q is neither a host name nor an IP address (without port and brackets)", address)
		}
	}
	return nil
}

func notInHostName(r rune) bool {
	inside := r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !inside
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%d tags are more than %d", len(tags), maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || len(key) > maxTagKey || strings.ContainsFunc(key, notInHostName):
			return fmt.Errorf("key of tag %.80q is not 1 to %d letters, digits, '-' and '_'", key, maxTagKey)
		case len(value) > maxTagValue:
			return fmt.Errorf("value of tag %q is longer than %d bytes", key, maxTagValue)
		case !utf8.ValidString(value):
			return fmt.Errorf("value of tag %q is not UTF-8", key)
		}
	}
	return nil
}
