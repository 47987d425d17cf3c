package sim

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// line is one process's way to its peers: it stands in for the transport with which an elector asks
// the leader. A held process neither asks nor hears.
type line struct {
	w *world
	p *process
}

// question is one request from process to process, and what comes of it.
type question struct {
	from  *process
	fate  peerFate
	reply chan reply    // the first one counts
	over  chan struct{} // closed when the asker no longer listens

	to *process // with whom it has arrived; under the network's lock
}

// reply is what the asker hears.
type reply struct {
	response *http.Response
	err      error
}

// RoundTrip asks. As with a real connection, an answer that comes after the context has ended is
// heard by nobody.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	asked, limit := time.Now(), l.w.monitor.asks(l.p, req)
	l.p.host.wait()
	if l.p.host.isDead() {
		return nil, errDead
	}
	random := l.w.dice(fmt.Sprint(l.p.name, l.w.elapsed(), "asks"))
	q := &question{from: l.p, fate: l.w.peerWeatherNow().draw(random), reply: make(chan reply, 1), over: make(chan struct{})}
	l.w.network.began(q)
	l.w.requests.Go(func() { l.w.network.carry(q, req) })
	r := l.await(req.Context(), q, limit)
	close(q.over)
	l.w.network.ended(q)

	l.p.host.wait()
	if l.p.host.isDead() {
		return nil, errDead
	}
	l.w.monitor.hears(l.p, req, asked, r)
	return r.response, r.err
}

func (l *line) await(ctx context.Context, q *question, limit time.Duration) reply {
	unbounded := time.NewTimer(limit)
	defer unbounded.Stop()
	asked := time.Now()
	for {
		select {
		case r := <-q.reply:
			return r
		case <-ctx.Done():
			return reply{err: context.Cause(ctx)}
		case <-l.p.host.died:
			return reply{err: errDead}
		case <-unbounded.C:
			l.w.monitor.questionUnbounded(l.p, asked)
			unbounded.Reset(time.Hour)
		}
	}
}

// answer hands the asker its answer, unless it has one.
func (q *question) answer(r reply) {
	select {
	case q.reply <- r:
	default:
	}
}

// isOver reports whether the asker no longer listens.
func (q *question) isOver() bool {
	select {
	case <-q.over:
		return true
	default:
		return false
	}
}

// travels is the time something takes on its way, unless the asker stops listening; then it is false.
func (q *question) travels(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.over:
		return false
	}
}

// carry is the question's way to whoever answers, and the answer's way back.
func (n *network) carry(q *question, req *http.Request) {
	f := q.fate
	if !q.travels(f.there) || f.lost {
		return
	}
	to, stranger, silent := n.route(q, req.URL.Host)
	switch {
	case f.refused || to == nil && stranger == nil && !silent:
		n.fails(q, errUnreachable)
		return
	case to == nil && stranger == nil:
		return
	}
	switch n.state(q.from, to) {
	case breaking:
		n.fails(q, errReset)
		return
	case swallowed:
		return
	}
	n.arrived(q, to)
	if f.breaksAfter > 0 {
		n.w.requests.Go(func() {
			if q.travels(f.breaksAfter) {
				q.answer(reply{err: errReset})
			}
		})
	}
	answer := n.serve(q, req, to, stranger)
	if answer == nil || f.unheard {
		return
	}
	if answer.failed || n.state(to, q.from) == breaking {
		n.fails(q, errReset)
		return
	}
	if n.state(to, q.from) == swallowed || !q.travels(f.back) || n.state(to, q.from) == swallowed {
		return
	}
	q.answer(reply{response: answer.response(req, f.garbled)}) //nolint:bodyclose // that is for who asked
}

func (n *network) fails(q *question, err error) {
	if q.travels(q.fate.back) {
		q.answer(reply{err: err})
	}
}

// serve has the other side answer. The answer is nil if it dies meanwhile.
func (n *network) serve(q *question, req *http.Request, to *process, stranger http.Handler) *answerWriter {
	handler := stranger
	if to != nil {
		to.host.wait()
		if to.host.isDead() {
			return nil
		}
		handler = to.handler
	}
	server := &http.Server{ReadTimeout: serverTimeout, WriteTimeout: serverTimeout}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), http.ServerContextKey, server))
	served := make(chan struct{})
	n.w.requests.Go(func() { n.hangUp(q, to, served, cancel) })
	w := &answerWriter{header: http.Header{}, status: http.StatusOK, deadline: time.Now().Add(serverTimeout), written: func(int, []byte) {}}
	asked := req.Clone(ctx)
	asked.TLS = n.w.connection(q.from)
	if to != nil {
		w.written = n.w.monitor.answers(to, q, asked)
	}
	asked.RequestURI, asked.Host, asked.RemoteAddr = req.URL.RequestURI(), req.URL.Host, q.from.currentConfig().ServerAddr
	handler.ServeHTTP(w, asked)
	w.flush()
	close(served)
	if to == nil {
		return w
	}
	to.link.freeze(q.fate.freeze)
	to.host.wait()
	if to.host.isDead() {
		return nil
	}
	return w
}

// connection is what the answering side knows of who asks: mostly its verified certificate.
func (w *world) connection(from *process) *tls.ConnectionState {
	c := &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	if unverified := w.profile.crowd.unverified; len(unverified) > 0 && unverified[from.node%len(unverified)] {
		return c
	}
	certificate := &x509.Certificate{Subject: pkix.Name{CommonName: from.currentConfig().ServerID}}
	c.PeerCertificates, c.VerifiedChains = []*x509.Certificate{certificate}, [][]*x509.Certificate{{certificate}}
	return c
}

// hangUp tells the answering side that nobody listens any more, if that can reach it, and ends what
// a dead process still does.
func (n *network) hangUp(q *question, to *process, served <-chan struct{}, cancel context.CancelFunc) {
	defer cancel()
	var died <-chan struct{}
	if to != nil {
		died = to.host.died
	}
	select {
	case <-served:
	case <-died:
	case <-q.over:
		if n.state(q.from, to) != swallowed {
			time.Sleep(q.fate.there)
			return
		}
		select {
		case <-served:
		case <-died:
		}
	}
}

// newHandler is the endpoint of a process: the real one, which at some does not know the long poll.
func (p *process) newHandler() http.Handler {
	log := slog.New(&logHandler{t: p.w.trace, who: p.name, level: p.w.logLevel})
	var elector s3lect.Elector = p.elector
	if p.habits.oldPeer {
		elector = struct{ s3lect.Elector }{p.elector}
	}
	answer := s3lect.NewLeadershipHandler(elector, log)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != p.elector.GetConfig().PeerHealthPath {
			http.NotFound(w, req)
			return
		}
		answer(w, req)
	})
}

// serverTimeout is how long a server gives a request, unless its handler moves the deadline.
const serverTimeout = time.Second

// answerWriter is the answering side's http.ResponseWriter. Like the real one it can be asked for
// deadlines, by way of http.ResponseController.
type answerWriter struct {
	header   http.Header
	status   int
	begun    bool
	body     bytes.Buffer
	deadline time.Time                     // for writing
	failed   bool                          // because of that: the connection is gone
	written  func(status int, body []byte) // called when the handler has written all
}

func (w *answerWriter) Header() http.Header { return w.header }

func (w *answerWriter) WriteHeader(status int) {
	if !w.begun {
		w.begun, w.status = true, status
	}
}

func (w *answerWriter) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if time.Now().After(w.deadline) {
		w.failed = true
		return 0, fmt.Errorf("write: %w", os.ErrDeadlineExceeded)
	}
	return w.body.Write(data)
}

func (w *answerWriter) SetReadDeadline(time.Time) error { return nil }

func (w *answerWriter) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// flush is called when the handler has returned.
func (w *answerWriter) flush() {
	if !w.failed {
		w.written(w.status, w.body.Bytes())
	}
}

// garbage is what stands in the place of an answer.
var garbage = []string{"", "hello", "[]", "null", "{", `{"leaderID":7}`, `{"leaderID":"x","term":-1,"sequence":-9,"pollMillis":-5}`, strings.Repeat("x", 70<<10)}

// response is what travels back; if garbled, something else.
func (w *answerWriter) response(req *http.Request, garbled int) *http.Response {
	status, body := w.status, w.body.Bytes()
	if garbled > 0 {
		body = []byte(garbage[garbled-1])
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Header: w.header, Request: req,
		Proto: "HTTP/2.0", ProtoMajor: 2, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
}
