package s3lect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// handover are the requests by which a client ends the leadership of an elector.
type handover struct {
	server *HealthServer
	limit  context.Context // ends when the server waits no longer
}

// resigner is what an elector can do that can hand over.
type resigner interface {
	Resign(ctx context.Context) error
	TransferLeadership(ctx context.Context, serverID string) error
}

var _ resigner = (*S3Elector)(nil)

// handedOver is the answer to a request that was carried out.
type handedOver struct {
	Resigned  bool   `json:"resigned"`
	LeaderID  string `json:"leaderID"` // who led until now
	Term      int64  `json:"term"`     // of the leadership that has ended
	Successor string `json:"successor,omitempty"`
}

func (h *handover) resign(w http.ResponseWriter, req *http.Request) { h.serve(w, req, nil) }

func (h *handover) transfer(w http.ResponseWriter, req *http.Request) { h.serve(w, req, h.successor) }

// successor returns the ServerID that a transfer names.
func (h *handover) successor(req *http.Request) (string, error) {
	query, err := url.ParseQuery(req.URL.RawQuery)
	switch {
	case err != nil:
		return "", fmt.Errorf("the query cannot be read: %w", err)
	case len(query["to"]) != 1:
		return "", errors.New("name one successor: POST .../transfer?to=ID, where ID is its ServerID")
	}
	to := query.Get("to")
	if err := checkIdentifier("to", to); err != nil {
		return "", err
	}
	if to == configOf(h.server.config.Elector).ServerID {
		return "", fmt.Errorf("%q is this candidate itself: name another", to)
	}
	return to, nil
}

// serve answers one request. It reads no body; net/http drops what there is of one.
func (h *handover) serve(w http.ResponseWriter, req *http.Request, successor func(*http.Request) (string, error)) {
	w.Header().Set("Cache-Control", "no-store")
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 { // checked before; but this must never slip
		http.Error(w, "a verified client certificate is required", http.StatusForbidden)
		return
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST is answered here", http.StatusMethodNotAllowed)
		return
	}
	done := handedOver{}
	if successor != nil {
		var err error
		if done.Successor, err = successor(req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	log := h.server.config.Logger.With("client", req.TLS.PeerCertificates[0].Subject.String(), "remote", req.RemoteAddr, "successor", done.Successor)
	code, text := h.perform(w, req, &done)
	if code != http.StatusOK {
		log.Warn("did not hand the leadership over on request", "status", code, "reason", text)
		http.Error(w, text, code)
		return
	}
	log.Info("handed the leadership over on request", "term", done.Term)
	h.answer(w, &done, log)
}

// perform ends the leadership, and waits for that also when the client does not.
func (h *handover) perform(w http.ResponseWriter, req *http.Request, done *handedOver) (code int, text string) {
	elector := h.server.config.Elector
	able, ok := elector.(resigner)
	if !ok {
		return http.StatusNotImplemented, "this elector cannot hand over the leadership"
	}
	if !elector.IsLeader() { // first, so that the status is that of a leader
		return http.StatusConflict, h.whoLeads()
	}
	config := configOf(h.server.config.Elector)
	done.LeaderID, done.Term = config.ServerID, statusOf(elector).Term

	// Work and hooks have to end before, and the lease ends on its own after a LeaderTimeout.
	patience := config.LeaderTimeout + config.PeerTimeout
	// Where the deadline cannot be moved the leadership ends all the same, only the answer may be late.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience + serverTimeout))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), patience)
	defer cancel()
	unbind := context.AfterFunc(h.limit, cancel)
	defer unbind()

	var err error
	if done.Successor != "" {
		err = able.TransferLeadership(ctx, done.Successor)
	} else {
		err = able.Resign(ctx)
	}
	switch {
	case err == nil:
		done.Resigned = true
		return http.StatusOK, ""
	case errors.Is(err, ErrNotLeader):
		return http.StatusConflict, h.whoLeads()
	case ctx.Err() != nil:
		return http.StatusGatewayTimeout, fmt.Sprintf("the resignation is under way, but was not confirmed within %v: %v; the leadership ends with its lease at the latest", patience, err)
	}
	return http.StatusInternalServerError, fmt.Sprintf("the resignation could not be written: %v; the leadership ends with its lease", err)
}

func (h *handover) whoLeads() string {
	status := statusOf(h.server.config.Elector)
	if status.LeaderID == "" {
		return "not the leader, and no leader is known"
	}
	return fmt.Sprintf("not the leader: that is %q at %s", status.LeaderID, status.LeaderAddr)
}

func (h *handover) answer(w http.ResponseWriter, done *handedOver, log *slog.Logger) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(done); err != nil {
		log.Debug("the answer to a handover was not delivered", "error", err)
	}
}
