package admin

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatChangesOrReadsSomethingNeedsAToken(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{Tokens: []string{"first-token", token}})
	guarded := 0
	for _, to := range routes {
		for credentials, good := range map[string]bool{
			"Bearer " + token: true, "bearer  " + token: true, "Bearer first-token": true,
			"": false, "Bearer": false, "Bearer ": false, token: false, "Basic " + token: false, "Bearer " + token + " ": false, "Bearer first": false, "Bearer first-token,": false,
		} {
			w := ask(t, h, to.method, to.path, bodies[to.path], header{"Authorization", credentials})
			if !to.guarded || good {
				assert.Equal(t, http.StatusOK, w.Code, "%s %q", to.path, credentials)
				continue
			}
			assert.Equal(t, http.StatusUnauthorized, w.Code, "%s %q", to.path, credentials)
			assert.Equal(t, CodeUnauthorized, failureOf(t, w).Code)
			assert.Equal(t, `Bearer realm="consensus"`, w.Header().Get("WWW-Authenticate"))
			assert.NotContains(t, w.Body.String(), "first", "nothing is told of the tokens there are")
		}
		if to.guarded {
			guarded++
		}
		assert.Equal(t, to.method == http.MethodPost, to.guarded, "%s: what is asked with POST is guarded", to.path)
	}
	assert.Equal(t, 7, guarded)
}

func TestARequestWithTwoTokensIsRefused(t *testing.T) {
	f := newFake()
	req := requestOf(t, http.MethodPost, "/snapshot", "")
	req.Header.Add("Authorization", "Bearer other")
	assert.Equal(t, CodeUnauthorized, handlerOf(t, f, Options{}).guard.check(req).failure.Code)
}

func TestNothingIsDoneForThoseWhoMayNot(t *testing.T) {
	f := newFake()
	for _, options := range []Options{{}, {Tokens: []string{"other"}}, {TokenSource: func() []string { return nil }}, {ClientCertificates: true}} {
		options.Logger = mute()
		h, err := newHandler(f, options)
		require.NoError(t, err)
		for path, body := range bodies {
			assert.GreaterOrEqual(t, ask(t, h, http.MethodPost, path, body).Code, 401, path)
		}
	}
	assert.Empty(t, f.asked)
}

func TestWithoutAnythingToGuardItNothingCanBeChanged(t *testing.T) {
	h, err := newHandler(newFake(), Options{Logger: mute()})
	require.NoError(t, err)
	for _, to := range routes {
		w := ask(t, h, to.method, to.path, bodies[to.path])
		if !to.guarded {
			assert.Equal(t, http.StatusOK, w.Code, to.path)
			continue
		}
		assert.Equal(t, http.StatusForbidden, w.Code, to.path)
		failure := failureOf(t, w)
		assert.Equal(t, CodeUnguarded, failure.Code)
		assert.Contains(t, failure.Text, "tokens or client certificates")
	}
}

func TestInsecureLetsEverybodyIn(t *testing.T) {
	h := handlerOf(t, newFake(), Options{Insecure: true})
	for _, to := range routes {
		assert.Equal(t, http.StatusOK, ask(t, h, to.method, to.path, bodies[to.path], header{"Authorization", ""}).Code, to.path)
	}
}

func TestGuardAllLeavesHealthAlone(t *testing.T) {
	h := handlerOf(t, newFake(), Options{GuardAll: true})
	for _, to := range routes {
		want := http.StatusUnauthorized
		if to.path == "/health" {
			want = http.StatusOK
		}
		assert.Equal(t, want, ask(t, h, to.method, to.path, bodies[to.path], header{"Authorization", ""}).Code, to.path)
		assert.Equal(t, http.StatusOK, ask(t, h, to.method, to.path, bodies[to.path]).Code, to.path)
	}
	assert.Equal(t, http.StatusOK, ask(t, h, http.MethodGet, "/health?ready", "", header{"Authorization", ""}).Code)
}

func TestTokensOfASourceAreReplacedWhileTheNodeRuns(t *testing.T) {
	now := []string{"old"}
	h := handlerOf(t, newFake(), Options{Tokens: []string{"fixed"}, TokenSource: func() []string { return now }})
	status := func(token string) int {
		return ask(t, h, http.MethodPost, "/snapshot", "", header{"Authorization", "Bearer " + token}).Code
	}
	assert.Equal(t, []int{200, 401, 200}, []int{status("old"), status("new"), status("fixed")})
	now = []string{"", "with space", "new"}
	assert.Equal(t, []int{401, 200, 200}, []int{status("old"), status("new"), status("fixed")})
	assert.Equal(t, 401, status(""), "an empty one never counts")
	assert.Equal(t, 401, status("with space"))
	now = nil
	assert.Equal(t, []int{401, 401, 200}, []int{status("old"), status("new"), status("fixed")})
}

func TestBrowsersOnOtherSitesAreRefused(t *testing.T) {
	f := newFake()
	for _, options := range []Options{{Insecure: true}, {}} {
		h := handlerOf(t, f, options)
		for _, site := range []header{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			for _, to := range routes {
				w := ask(t, h, to.method, to.path, bodies[to.path], site)
				if to.method == http.MethodGet {
					assert.Equal(t, http.StatusOK, w.Code, to.path)
					continue
				}
				assert.Equal(t, http.StatusForbidden, w.Code, "%s %v", to.path, site)
				assert.Equal(t, CodeCrossSite, failureOf(t, w).Code)
			}
		}
	}
	assert.Empty(t, f.asked)
	h := handlerOf(t, f, Options{Insecure: true})
	for _, site := range []header{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://example.com"}} {
		assert.Equal(t, http.StatusOK, ask(t, h, http.MethodPost, "/snapshot", "", site).Code, site)
	}
}
