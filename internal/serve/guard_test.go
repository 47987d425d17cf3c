package serve

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/reload"
	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

const (
	oldToken = "an-old-token-of-mine"
	newToken = "a-new-token-of-mine"
)

func TestTokensGuardWhatIsForCandidatesAlone(t *testing.T) {
	t.Parallel()
	tokens := tokenFile(t, "# ours\n\n"+oldToken+"\n  "+newToken+"  \r\n")
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			o.TokenFile = tokens
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		for _, path := range []string{"/api/v1/elect/s/1", "/leader", "/leader/self", "/leader/watch"} {
			got := f.get(path)
			assert.Equal(t, 401, got.StatusCode, path)
			assert.Equal(t, `Bearer realm="s3lect"`, got.Header.Get("WWW-Authenticate"), path)
			assert.Equal(t, 401, f.ask(http.MethodGet, path, "Authorization", "Bearer wrong").StatusCode, path)
			assert.Equal(t, 401, f.ask(http.MethodGet, path, "Authorization", "Bearer # ours").StatusCode, path)
		}
		for _, token := range []string{oldToken, newToken} {
			assert.Less(t, f.ask(http.MethodGet, "/api/v1/elect/s/1", "Authorization", "Bearer "+token).StatusCode, 300)
			assert.Equal(t, 200, f.ask(http.MethodGet, "/leader/self", "Authorization", "Bearer "+token).StatusCode)
		}
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			assert.Equal(t, 200, f.get(path).StatusCode, path)
		}
		require.NoError(t, f.end())
		assert.Empty(t, f.log.with("level=WARN"))
	})
}

func TestChangedTokensCountFromThenOn(t *testing.T) {
	t.Parallel()
	tokens := tokenFile(t, oldToken)
	write := func(text string) { require.NoError(t, os.WriteFile(tokens, []byte(text), 0o600)) }
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			o.TokenFile = tokens
			withSidecar(t)(o)
		})
		time.Sleep(time.Second)
		accepts := func(token string) bool {
			api := f.ask(http.MethodGet, "/api/v1/elected/s/1", "Authorization", "Bearer "+token).StatusCode
			leader := f.ask(http.MethodGet, "/leader", "Authorization", "Bearer "+token).StatusCode
			assert.Equal(t, api == 401, leader == 401)
			return api != 401
		}
		assert.True(t, accepts(oldToken))
		assert.False(t, accepts(newToken))
		write(newToken)
		time.Sleep(reload.Interval)
		assert.False(t, accepts(oldToken))
		assert.True(t, accepts(newToken))
		for _, broken := range []string{"", "# none\n", "two words\n" + oldToken} {
			write(broken)
			time.Sleep(reload.Interval)
			assert.True(t, accepts(newToken), "%q", broken)
			assert.False(t, accepts(""), "%q", broken)
			assert.False(t, accepts(oldToken), "%q", broken)
		}
		assert.Len(t, f.log.with("what was loaded before stays in use"), 3)
		require.NoError(t, f.end())
	})
}

func TestFileWithoutUsableTokensIsRefused(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, log: &logLines{}, storage: memory.New()}
	for text, says := range map[string]string{
		"":                    "holds no token, which would let everybody in",
		"\n# comment\n\n":     "holds no token, which would let everybody in",
		"fine\n\ntwo words":   "has a token in line 3 that contains a space or something unprintable",
		"fine\nschön\n":       "has a token in line 2 that contains a space or something unprintable",
		"x" + longLine(1<<17): "is no file of tokens",
	} {
		options := f.options()
		options.TokenFile = tokenFile(t, text)
		_, err := New(options)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, options.TokenFile)
		assert.NotContains(t, err.Error(), "words", "no part of a token is told")
	}
	options := f.options()
	options.TokenFile = filepath.Join(t.TempDir(), "missing")
	_, err := New(options)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "name a file with one token in each line that this process may read")
}

func longLine(n int) string { return strings.Repeat("x", n) }

func TestTokensThatOthersMayKnowAreWarnedAbout(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("permissions are different on Windows")
	}
	f := &fixture{t: t, log: &logLines{}, storage: memory.New()}
	options := f.options()
	options.TokenFile = tokenFile(t, "guess-me\n"+newToken)
	require.NoError(t, os.Chmod(options.TokenFile, 0o640))
	_, err := New(options)
	require.NoError(t, err)
	assert.Empty(t, f.log.with("everybody"), "a group is a choice")
	short := f.log.with("short enough to be guessed")
	require.Len(t, short, 1)
	assert.Contains(t, short[0], "token=1 characters=8")
	assert.NotContains(t, short[0], "guess-me")

	require.NoError(t, os.Chmod(options.TokenFile, 0o644))
	_, err = New(options)
	require.NoError(t, err)
	assert.Len(t, f.log.with("everybody on this machine may open the file of tokens"), 1)
}

func TestChangedTokensKeepTheRateLimits(t *testing.T) {
	t.Parallel()
	tokens := tokenFile(t, oldToken)
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) { o.TokenFile, o.NewAPI = tokens, limited(t, o.Storage) })
		ask := func(token string) int {
			return f.ask(http.MethodGet, "/api/v1/elected/s/1", "Authorization", "Bearer "+token).StatusCode
		}
		assert.Equal(t, 204, ask(oldToken))
		assert.Equal(t, 429, ask(oldToken))
		require.NoError(t, os.WriteFile(tokens, []byte(newToken), 0o600))
		time.Sleep(reload.Interval)
		assert.Equal(t, 429, ask(newToken))
		assert.Equal(t, 401, ask(oldToken))
		require.NoError(t, f.end())
	})
}

// limited answers one request in ten seconds.
func limited(t *testing.T, storage s3lect.Storage) func(func(*http.Request) error) (http.Handler, error) {
	t.Helper()
	r, err := rounds.New(storage, rounds.Options{})
	require.NoError(t, err)
	return func(authorize func(*http.Request) error) (http.Handler, error) {
		return rounds.NewHandler(r, rounds.HandlerOptions{Authorize: authorize, RateLimit: 0.1})
	}
}
