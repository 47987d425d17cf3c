package serve

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAccessIsLoggedWithWhatConcernsPeople(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.ask(http.MethodGet, "/api/v1/elect/billing/1", "X-Candidate-Id", "a", "X-Request-Id", "r-17")
		f.get("/api/v1/elect/billing/1?candidate=b%20b")
		f.get("/api/v1/elected/billing/1")
		require.NoError(t, f.end())

		lines := f.log.with("msg=request")
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], "level=INFO msg=request method=GET path=/api/v1/elect/billing/1 status=202 bytes=8 duration=0s remote=192.0.2.7 candidate=a result=elected request=r-17")
		assert.Contains(t, lines[1], `status=204 bytes=0 duration=0s remote=192.0.2.7 candidate="b b" result=not_elected`)
		assert.NotContains(t, lines[1], " request=")
		assert.Contains(t, lines[2], "status=200 bytes=9")
		assert.NotContains(t, lines[2], " candidate=")
		assert.Empty(t, f.log.with("cut="))
	})
}

func TestProbesAreLoggedForDebuggingAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			f.get(path)
		}
		require.NoError(t, f.end())
		assert.Len(t, f.log.with("level=DEBUG msg=request"), 3)
		assert.Empty(t, f.log.with("level=INFO msg=request"))
	})
}

func TestNeitherTokensNorQueriesAreLogged(t *testing.T) {
	t.Parallel()
	tokens := tokenFile(t, "correct-horse-battery\nother-horse-battery")
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) { o.TokenFile = tokens })
		for _, token := range []string{"correct-horse-battery", "wrong-horse-battery"} {
			f.ask(http.MethodGet, "/api/v1/elect/s/1?token="+token, "Authorization", "Bearer "+token)
			f.ask(http.MethodGet, "/leader?token="+token, "Authorization", "Bearer "+token)
		}
		require.NoError(t, f.end())
		require.Len(t, f.log.with("msg=request"), 4)
		assert.Empty(t, f.log.with("horse"))
	})
}

func TestLongRequestsMakeNoLongLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		long := strings.Repeat("x", 5000)
		f.ask(http.MethodGet, "/"+long, "X-Candidate-Id", long, "X-Request-Id", long)
		require.NoError(t, f.end())
		require.Len(t, f.log.with("msg=request"), 1)
		assert.Less(t, len(f.log.with("msg=request")[0]), 1200)
	})
}

func TestFaultInOneRequestIsAnsweredAndLoggedAndEndsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(o *Options) {
			o.NewAPI = func(func(*http.Request) error) (http.Handler, error) {
				return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if req.URL.Path == "/api/late" {
						_, _ = io.WriteString(w, "half an")
						assert.NoError(t, http.NewResponseController(w).Flush())
						assert.NoError(t, http.NewResponseController(w).Flush())
					}
					panic("out of luck")
				}), nil
			}
		})
		got := f.get("/api/early")
		assert.Equal(t, 500, got.StatusCode)
		assert.NotContains(t, got.body, "luck")
		_, err := f.try(http.MethodGet, "/api/late")
		require.Error(t, err, "half an answer is not taken for a whole one")
		assert.Equal(t, 200, f.get("/healthz").StatusCode)
		require.NoError(t, f.end())
		faults := f.log.with("out of luck")
		require.Len(t, faults, 2)
		assert.Contains(t, faults[0], "access_test.go")
		assert.Len(t, f.log.with("msg=request"), 3)
	})
}

func TestWhatClientsDoWrongFillsNoLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		conn := f.dial()
		require.NoError(t, conn.Close())
		for range 100 {
			f.server.http.ErrorLog.Print("http: something is odd")
		}
		assert.Len(t, f.log.with("something is odd"), 10)
		time.Sleep(time.Minute)
		f.server.http.ErrorLog.Print("http: something is odd")
		assert.Len(t, f.log.with("leftOut=90"), 1)
		require.NoError(t, f.end())
	})
}
