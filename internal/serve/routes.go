package serve

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-6dc909bb/s3lect/internal/bearer"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// handler answers for everything. It switches on the path as it was sent, because a ServeMux would
// redirect what is nearly a path of the API, and a redirected election is one that was not held.
func (s *Server) handler() http.Handler {
	open := map[string]http.HandlerFunc{
		"/healthz": func(w http.ResponseWriter, _ *http.Request) { answerText(w, http.StatusOK, "ok") },
		"/readyz":  s.answerReady,
		"/metrics": s.options.Metrics.handler().ServeHTTP,
	}
	return s.observed(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		path := req.URL.EscapedPath()
		switch {
		case strings.HasPrefix(path, "/api/"):
			if s.admitCertificate(w, req) {
				s.api.ServeHTTP(w, req)
			}
		case open[path] != nil:
			if looks(w, req) {
				open[path](w, req)
			}
		case path == "/leader", strings.HasPrefix(path, "/leader/"):
			s.answerLeader(w, req, strings.TrimPrefix(path, "/leader"))
		default:
			paths := "/api/v1/elect/{system}/{round}, /healthz, /readyz, /metrics"
			if s.sidecar != nil {
				paths += ", /leader"
			}
			fail(w, req, http.StatusNotFound, rounds.CodeNotFound, "there is nothing here; see "+paths)
		}
	}))
}

func (s *Server) answerReady(w http.ResponseWriter, req *http.Request) {
	switch err := s.notReady(req); {
	case err != nil:
		fail(w, req, http.StatusServiceUnavailable, codeNotReady, err.Error())
	default:
		answerText(w, http.StatusOK, "ready")
	}
}

// notReady returns why this server should not be asked, in words for the public. The election of the
// sidecar is no reason: what is wrong with it does not keep rounds from being decided.
func (s *Server) notReady(req *http.Request) error {
	if s.draining.Load() {
		return errors.New("the server is shutting down")
	}
	if s.sidecar != nil && !s.sidecar.checked() {
		return errors.New("the election has not been looked at yet")
	}
	if err := s.ready.check(req.Context()); err != nil {
		return errors.New(reason(err))
	}
	return nil
}

func (s *Server) answerLeader(w http.ResponseWriter, req *http.Request, path string) {
	if s.sidecar == nil {
		fail(w, req, http.StatusNotFound, rounds.CodeNotFound, "this server takes part in no election: start it with --key for that")
		return
	}
	answer, ok := map[string]http.HandlerFunc{
		"": s.sidecar.answer, "/self": s.sidecar.answerSelf, "/watch": s.sidecar.watch,
	}[path]
	switch {
	case !ok:
		fail(w, req, http.StatusNotFound, rounds.CodeNotFound, "there is nothing here; see /leader, /leader/self and /leader/watch")
	case s.admitCertificate(w, req) && s.admitToken(w, req) && looks(w, req):
		answer(w, req)
	}
}

// admitCertificate answers the request itself if its client may not ask.
func (s *Server) admitCertificate(w http.ResponseWriter, req *http.Request) bool {
	if err := s.guard.checkClient(req); err != nil {
		w.Header().Set("Connection", "close") // over HTTP/2, too: the next connection can have a certificate
		fail(w, req, http.StatusForbidden, rounds.CodeUnauthorized, err.Error())
		return false
	}
	return true
}

// admitToken answers the request itself if it has no token and needs one.
func (s *Server) admitToken(w http.ResponseWriter, req *http.Request) bool {
	if err := s.guard.checkToken(req); err != nil {
		w.Header().Set("WWW-Authenticate", bearer.Challenge)
		fail(w, req, http.StatusUnauthorized, rounds.CodeUnauthorized, err.Error())
		return false
	}
	return true
}

// looks answers the request itself if its method would do more than look.
func looks(w http.ResponseWriter, req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	fail(w, req, http.StatusMethodNotAllowed, rounds.CodeMethodNotAllowed, "only GET and HEAD are answered here")
	return false
}

// Codes of what the API knows nothing of.
const (
	codeNotReady       = "not_ready"
	codeShuttingDown   = "shutting_down"
	codeTooManyStreams = "too_many_streams"
	codeInternal       = "internal"
)

// fail says why there is no better answer: as JSON where that is what the path answers or what the
// request asks for.
func fail(w http.ResponseWriter, req *http.Request, status int, code, reason string) {
	w.Header().Set(rounds.ResultHeader, code)
	if strings.HasPrefix(req.URL.Path, "/leader") || strings.Contains(req.Header.Get("Accept"), "application/json") {
		answerJSON(w, status, map[string]string{"error": reason, "code": code})
		return
	}
	answerText(w, status, reason)
}

func answerText(w http.ResponseWriter, status int, text string) {
	answer(w, status, "text/plain; charset=utf-8", text+"\n")
}

func answerJSON(w http.ResponseWriter, status int, value any) {
	answer(w, status, "application/json", encode(value))
}

func encode(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // strings and numbers alone
	return b.String()
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a client that is gone has no use for an error
}
