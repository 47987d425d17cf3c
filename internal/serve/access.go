package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect/rounds"
)

// maxLogged bounds what of a request is logged, in bytes of each field.
const maxLogged = 256

// observed counts and logs requests, and keeps a fault in one of them from ending the others.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		recorded := &recorder{ResponseWriter: w}
		s.underWay.Add(1)
		defer s.underWay.Add(-1)
		if req.URL.Path != "/leader/watch" { // is under way for days, and counted by itself
			s.options.Metrics.inFlight.Inc()
			defer s.options.Metrics.inFlight.Dec()
		}
		defer func() {
			fault := recover()
			if fault != nil && fault != http.ErrAbortHandler { //nolint:errorlint // a panic's value is what was thrown
				s.log.Error("a request has met a fault of this program", "path", short(req.URL.EscapedPath()), "fault", fault, "stack", string(debug.Stack()))
				if recorded.status == 0 {
					fail(recorded, req, http.StatusInternalServerError, codeInternal, "the server has a fault; its log says which")
					fault = nil
				}
			}
			s.logAccess(req, recorded, time.Since(began))
			if fault != nil {
				panic(http.ErrAbortHandler) // so that the client sees half an answer for what it is
			}
		}()
		next.ServeHTTP(recorded, req)
	})
}

// logAccess writes the line of a request. Neither the query nor headers are in it but for the
// identity of a candidate: there are tokens in the latter, and by mistake in the former.
func (s *Server) logAccess(req *http.Request, answer *recorder, took time.Duration) {
	level := slog.LevelInfo
	switch req.URL.Path {
	case "/healthz", "/readyz", "/metrics":
		level = slog.LevelDebug
	}
	if !s.log.Enabled(req.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", short(req.Method)),
		slog.String("path", short(req.URL.EscapedPath())),
		slog.Int("status", cmp.Or(answer.status, http.StatusOK)),
		slog.Int64("bytes", answer.bytes),
		slog.Duration("duration", took),
		slog.String("remote", host(req.RemoteAddr)),
	}
	for _, optional := range []slog.Attr{
		slog.String("candidate", short(candidate(req))),
		slog.String("result", answer.Header().Get(rounds.ResultHeader)),
		slog.String("request", short(req.Header.Get("X-Request-Id"))),
	} {
		if optional.Value.String() != "" {
			attrs = append(attrs, optional)
		}
	}
	if answer.failed || errors.Is(context.Cause(req.Context()), errCut) {
		attrs = append(attrs, slog.Bool("cut", true))
	}
	s.log.LogAttrs(req.Context(), level, "request", attrs...)
}

func candidate(req *http.Request) string {
	if id := req.Header.Get("X-Candidate-Id"); id != "" || !strings.Contains(req.URL.RawQuery, "candidate=") {
		return id
	}
	return req.URL.Query().Get("candidate")
}

func host(address string) string {
	if name, _, err := net.SplitHostPort(address); err == nil {
		return name
	}
	return address
}

func short(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "..."
	}
	return text
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter

	status int // 0: nothing yet
	bytes  int64
	failed bool // to write
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	r.status = cmp.Or(r.status, http.StatusOK)
	n, err := r.ResponseWriter.Write(data)
	r.bytes += int64(n)
	r.failed = r.failed || err != nil && !errors.Is(err, http.ErrBodyNotAllowed) // of an answer to HEAD
	return n, err
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
