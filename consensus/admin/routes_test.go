package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryRouteAnswers(t *testing.T) {
	for _, prefix := range []string{"", "/raft", "/a/b"} {
		h := handlerOf(t, newFake(), Options{Prefix: prefix})
		for _, to := range routes {
			w := ask(t, h, to.method, prefix+to.path, bodies[to.path])
			assert.Equal(t, http.StatusOK, w.Code, "%s%s: %s", prefix, to.path, w.Body)
		}
	}
}

func TestOtherMethodsAreRefusedAndTheRightOnesNamed(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	for _, to := range routes {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "STRANGE"} {
			w := ask(t, h, method, to.path, "")
			switch {
			case to.method == http.MethodGet && (method == "GET" || method == "HEAD"):
				assert.Equal(t, http.StatusOK, w.Code, "%s %s", method, to.path)
			case to.method == method:
			default:
				assert.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, to.path)
				assert.Equal(t, map[string]string{"GET": "GET, HEAD", "POST": "POST"}[to.method], w.Header().Get("Allow"))
				assert.Equal(t, CodeMethodNotAllowed, failureOf(t, w).Code)
			}
		}
	}
}

func TestPathsAreNeitherCleanedNorRedirected(t *testing.T) {
	h := handlerOf(t, newFake(), Options{Prefix: "/raft"})
	for _, path := range []string{
		"/", "/raft", "/raft/", "/health", "/raft/health/", "/raft//health", "//raft/health", "/raft/./health", "/raft/x/../health", "/raft/%68ealth",
		"/raft/Health", "/RAFT/health", "/raft/raft/health", "/raft/health%2Fdetailed", "/raft/health%00", "/raftx/health", "/raft/apply/",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := ask(t, h, method, "http://host"+path, "")
			assert.Equal(t, http.StatusNotFound, w.Code, path)
			assert.Equal(t, CodeNotFound, failureOf(t, w).Code)
		}
	}
}

func TestUnknownParametersAreRefused(t *testing.T) {
	f := newFake()
	h := handlerOf(t, f, Options{})
	for _, target := range []string{"/health?raedy", "/health?ready=false", "/health?Ready=1", "/health?ready&x=1", "/status?ready", "/health?%zz", "/health?a;b", "/status?=", "/status?x"} {
		w := ask(t, h, http.MethodGet, target, "")
		assert.Equal(t, http.StatusBadRequest, w.Code, target)
		assert.Equal(t, CodeBadRequest, failureOf(t, w).Code)
	}
	for path, body := range bodies {
		assert.Equal(t, http.StatusBadRequest, ask(t, h, http.MethodPost, path+"?dry-run=1", body).Code, path)
	}
	assert.Empty(t, f.asked, "nothing has been done")
	assert.Contains(t, failureOf(t, ask(t, h, http.MethodGet, "/health?raedy", "")).Text, `"raedy"`)
}

func TestGETHasNoBody(t *testing.T) {
	h := handlerOf(t, newFake(), Options{})
	w := ask(t, h, http.MethodGet, "/status", "{}")
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Equal(t, "close", w.Header().Get("Connection"))
}

func TestHeadIsAnsweredLikeGet(t *testing.T) {
	f := newFake()
	f.info.Leader = ""
	h := handlerOf(t, f, Options{})
	for _, path := range []string{"/health", "/leader", "/metrics", "/nodes"} {
		get, head := ask(t, h, http.MethodGet, path, ""), ask(t, h, http.MethodHead, path, "")
		assert.Equal(t, get.Code, head.Code, path)
		if !strings.HasSuffix(path, "metrics") { // they change
			assert.Equal(t, get.Header(), head.Header(), path)
		}
	}
}
