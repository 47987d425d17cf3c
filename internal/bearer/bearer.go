// Package bearer checks the tokens of requests (RFC 6750).
package bearer

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Challenge is the value of WWW-Authenticate that belongs to a 401.
const Challenge = `Bearer realm="s3lect"`

// Reasons for which a request is refused. They tell nothing about the tokens there are.
var (
	ErrNoToken  = errors.New(`a token is needed: send "Authorization: Bearer TOKEN"`)
	ErrBadToken = errors.New("the token is not accepted")
)

// Tokens are those that are accepted. A nil *Tokens accepts every request.
type Tokens struct{ digests [][sha256.Size]byte }

// New returns nil if there are no tokens. Its errors do not contain them.
func New(tokens []string) (*Tokens, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	t := &Tokens{}
	for i, token := range tokens {
		if !Usable(token) {
			return nil, fmt.Errorf("token %d of %d is empty or contains a space or something unprintable, and could never be sent", i+1, len(tokens))
		}
		t.digests = append(t.digests, sha256.Sum256([]byte(token)))
	}
	return t, nil
}

// Usable reports whether a token can be sent: it is not empty and has no spaces and nothing
// unprintable.
func Usable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}

// Check returns nil if the request has one of the tokens, ErrNoToken or ErrBadToken. How long it
// takes depends on the number of tokens alone: digests are compared, which have one length, and
// all of them.
func (t *Tokens) Check(req *http.Request) error {
	if t == nil {
		return nil
	}
	given := req.Header.Values("Authorization")
	if len(given) == 0 {
		return ErrNoToken
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return ErrNoToken
	}
	digest := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	accepted := 0
	for i := range t.digests {
		accepted |= subtle.ConstantTimeCompare(digest[:], t.digests[i][:])
	}
	if accepted == 0 {
		return ErrBadToken
	}
	return nil
}
