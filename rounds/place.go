package rounds

import (
	"fmt"
	"strings"
)

const (
	maxIdentifier = 128 // of a system and of a round, in bytes
	maxCandidate  = 256 // of an ID and of an address, in bytes

	suffix = ".json"
)

// place is where a round is.
type place struct{ system, round, key string }

func (p place) String() string { return fmt.Sprintf("round %q of %q", p.round, p.system) }

func (r *Rounds) place(system, round string) (place, error) {
	if err := checkIdentifier("system", system); err != nil {
		return place{}, err
	}
	if err := checkIdentifier("round", round); err != nil {
		return place{}, err
	}
	return place{system, round, r.prefix + "/" + system + "/" + round + suffix}, nil
}

// placeOf is the place of a key in a list, if it can be that of a round.
func (r *Rounds) placeOf(key string) (place, bool) {
	rest, found := strings.CutPrefix(key, r.prefix+"/")
	name, isRecord := strings.CutSuffix(rest, suffix)
	system, round, _ := strings.Cut(name, "/")
	at, err := r.place(system, round)
	return at, found && isRecord && err == nil
}

// checkIdentifier accepts what can be a part of a URL's path and of any storage's key as it stands.
func checkIdentifier(field, value string) error {
	refuse := func(reason string) error { return &IdentifierError{field, value, reason} }
	switch {
	case value == "":
		return refuse("is empty")
	case len(value) > maxIdentifier:
		return refuse(fmt.Sprintf("has %d bytes; at most %d are possible", len(value), maxIdentifier))
	case strings.Trim(value, ".") == "":
		return refuse("consists of dots alone")
	}
	for _, c := range value {
		if !isIdentifierRune(c) {
			return refuse(fmt.Sprintf("contains %q; possible are letters and digits of ASCII and any of . _ : @ + = , ~ -", c))
		}
	}
	return nil
}

func isIdentifierRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._:@+=,~-", c)
}

func checkPrefix(prefix string) error {
	for name := range strings.SplitSeq(prefix, "/") {
		if checkIdentifier("part of the prefix", name) != nil {
			return &IdentifierError{"Prefix", prefix, "is not one or more names as those of systems, separated by slashes"}
		}
	}
	return nil
}

func (c Candidate) check() error {
	if c.ID == "" && c.Address == "" {
		return &IdentifierError{"candidate ID", "", "is empty, and so is its address: one of them must tell who asks"}
	}
	if err := checkPrintable("candidate ID", c.ID); err != nil {
		return err
	}
	return checkPrintable("candidate address", c.Address)
}

func checkPrintable(field, value string) error {
	refuse := func(reason string) error { return &IdentifierError{field, value, reason} }
	switch {
	case len(value) > maxCandidate:
		return refuse(fmt.Sprintf("has %d bytes; at most %d are possible", len(value), maxCandidate))
	case strings.TrimSpace(value) != value:
		return refuse("begins or ends with a space")
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return refuse(fmt.Sprintf("contains %q; possible are the printable characters of ASCII", c))
		}
	}
	return nil
}
