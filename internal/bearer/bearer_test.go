package bearer

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func request(t *testing.T, authorization ...string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	req.Header["Authorization"] = authorization
	return req
}

func TestOnlyAListedTokenIsAccepted(t *testing.T) {
	tokens, err := New([]string{"first", "second"})
	require.NoError(t, err)
	for authorization, want := range map[string]error{
		"Bearer first":        nil,
		"Bearer second":       nil,
		"bearer second":       nil,
		"Bearer   first":      nil,
		"Bearer firs":         ErrBadToken,
		"Bearer first ":       ErrBadToken,
		"Bearer firstsecond":  ErrBadToken,
		"Bearer First":        ErrBadToken,
		"Bearer ":             ErrBadToken,
		"Bearer":              ErrBadToken,
		"first":               ErrNoToken,
		"Basic first":         ErrNoToken,
		"Basic Zmlyc3Q6cHc=":  ErrNoToken,
		"":                    ErrNoToken,
		"BearerBearer first":  ErrNoToken,
		"Bearer first,second": ErrBadToken,
	} {
		assert.Equalf(t, want, tokens.Check(request(t, authorization)), "%q", authorization)
	}
	assert.Equal(t, ErrNoToken, tokens.Check(request(t)))
	assert.Equal(t, ErrNoToken, tokens.Check(request(t, "Bearer first", "Bearer first")), "which of them counts would be a guess")
}

func TestWithoutTokensEverybodyMayAsk(t *testing.T) {
	tokens, err := New(nil)
	require.NoError(t, err)
	assert.NoError(t, tokens.Check(request(t)))
	assert.NoError(t, tokens.Check(request(t, "Bearer anything")))
}

func TestTokenThatCouldNeverBeSentIsRefusedWithoutBeingShown(t *testing.T) {
	for _, token := range []string{"", " ", "secret word", "secret\n", "sécret", "secret\x7f", "\tsecret"} {
		tokens, err := New([]string{"fine", token})
		assert.Nil(t, tokens)
		require.ErrorContains(t, err, "token 2 of 2")
		assert.NotContains(t, err.Error(), "ecret")
	}
}
