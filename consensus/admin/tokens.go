package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

var (
	errNoToken  = errors.New(`a token is needed: send "Authorization: Bearer TOKEN"`)
	errBadToken = errors.New("the token is not accepted")
)

// tokens are those that are accepted.
type tokens struct {
	digests [][sha256.Size]byte
	source  func() []string // may be nil
}

func newTokens(fixed []string, source func() []string) *tokens {
	return &tokens{digest(fixed), source}
}

func digest(all []string) (digests [][sha256.Size]byte) {
	for _, token := range all {
		if usable(token) {
			digests = append(digests, sha256.Sum256([]byte(token)))
		}
	}
	return digests
}

// check returns nil if the request has one of the tokens. How long it takes depends on the number of tokens alone: digests
// are compared, which have one length, and all of them.
func (t *tokens) check(req *http.Request) error {
	given := req.Header.Values("Authorization")
	if len(given) != 1 { // which of two counts would be a guess
		return errNoToken
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return errNoToken
	}
	digests := t.digests
	if t.source != nil {
		digests = append(digest(t.source()), digests...)
	}
	sum := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	accepted := 0
	for i := range digests {
		accepted |= subtle.ConstantTimeCompare(sum[:], digests[i][:])
	}
	if accepted == 0 {
		return errBadToken
	}
	return nil
}

// usable reports whether a token can be sent: it is not empty and has no spaces and nothing unprintable.
func usable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}
