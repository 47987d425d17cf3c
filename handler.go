package s3lect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// NewLeadershipHandler returns the endpoint at which a leader tells that it leads, to mount in any
// mux: GET answers 200 with the leader record as JSON while the elector leads and 404 while it does
// not; other methods are 405. LastUpdated in the answer is when the last confirmed renewal was sent,
// never the present time, so that a leader cut off from its storage does not look alive. It works
// with any Elector. A nil logger is slog.Default().
//
// Who may ask is for the server to decide, by tls.Config.ClientAuth and ClientCAs, say; the handler
// checks no certificate. The answer holds no secret, but whoever gets it knows who leads, where, and
// the identity of its last write. [HealthServer] has all of that built in.
//
// With an elector that is an [Announcer] the answer is an [Announcement], and followers can wait for
// the next: GET ?session=S&after=N is answered when there is something later than the write N of
// session S, at once when the leadership has ended, and at the latest after PollMillis. For that the
// handler moves the server's deadline for this one answer; where it cannot (a middleware whose
// ResponseWriter has no Unwrap method, in a server with time-outs), it answers at once, and
// followers ask more seldom.
func NewLeadershipHandler(elector Elector, logger *slog.Logger) http.HandlerFunc {
	if logger == nil {
		logger = slog.Default()
	}
	return func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
			return
		}
		session, after, err := pollOf(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if session != "" && !extendDeadline(w, req, pollLimit(configOf(elector))) {
			session = ""
		}
		w.Header().Set("Cache-Control", "no-store")
		beat := takeHeartbeat(req, elector)
		body, leads, err := leadershipAnswer(req.Context(), elector, session, after, beat)
		if err != nil {
			logger.Error("cannot encode the leadership answer", "error", err)
			http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
			return
		}
		if !leads || !elector.IsLeader() { // the last thing before the answer
			http.Error(w, "not the leader", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			logger.Debug("leadership answer was not delivered", "remote", req.RemoteAddr, "error", err)
		}
	}
}

// pollOf returns what a follower that waits for news knows already; an empty session if it does not
// wait.
func pollOf(req *http.Request) (session string, after int64, err error) {
	query := req.URL.Query()
	session = query.Get("session")
	if session == "" {
		return "", 0, nil
	}
	after, err = strconv.ParseInt(query.Get("after"), 10, 64)
	if err != nil || after < 0 {
		return "", 0, fmt.Errorf("after=%.40q must be a number, that of the last write known of the session", query.Get("after"))
	}
	return session, after, nil
}

// pollSlack is the time to write an answer in, when a long poll has come to its end.
const pollSlack = 10 * time.Second

// extendDeadline makes room for a long poll in a server that limits the time of a request. It
// reports whether there is.
func extendDeadline(w http.ResponseWriter, req *http.Request, poll time.Duration) bool {
	server, ok := req.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return true // nothing that limits it
	}
	if server.WriteTimeout <= 0 {
		return true // net/http has lifted ReadTimeout when it had read the request
	}
	return http.NewResponseController(w).SetWriteDeadline(time.Now().Add(poll+pollSlack)) == nil
}

// leadershipAnswer returns the body that tells of the leadership, and whether there is one to tell of.
func leadershipAnswer(ctx context.Context, elector Elector, session string, after int64, beat heartbeat) (body []byte, leads bool, err error) {
	if announcer, ok := elector.(Announcer); ok {
		announcement, leads := announcer.Announce(ctx, session, after)
		announcement.Observed, announcement.ObserverError = beat.taken, beat.refusal
		body, err = json.Marshal(announcement)
		return body, leads, err
	}
	if !elector.IsLeader() { // first, so that the status is that of a leader
		return nil, false, nil
	}
	status, config := statusOf(elector), configOf(elector)
	body, err = json.Marshal(LeaderRecord{
		// The configuration may be that of the next contest already. The status of a fake may be bare.
		LeaderID:    cmp.Or(status.LeaderID, config.ServerID),
		LeaderAddr:  cmp.Or(status.LeaderAddr, config.ServerAddr),
		LastUpdated: status.LeaderLastSeen,
		Term:        status.Term,
		LeaseMillis: config.LeaderTimeout.Milliseconds(),
	})
	return body, true, err
}

// configOf returns the elector's configuration with the defaults, which people's fakes may lack.
func configOf(elector Elector) *ElectorConfig {
	config := &ElectorConfig{}
	if given := elector.GetConfig(); given != nil {
		*config = *given
	}
	config.setDefaults()
	return config
}

// statusOf returns the elector's status, which people's fakes may lack.
func statusOf(elector Elector) LeadershipStatus {
	if given := elector.GetLeadershipStatus(); given != nil {
		return *given
	}
	return LeadershipStatus{}
}
