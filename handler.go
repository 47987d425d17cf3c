package s3lect

import (
	"encoding/json"
	"log/slog"
	"net/http"
)

// NewLeadershipHandler returns the endpoint at which a leader tells that it leads, to mount in any
// mux: GET answers 200 with the leader record as JSON while the elector leads and 404 while it does
// not; other methods are 405. LastUpdated in the answer is when the last confirmed renewal was sent,
// never the present time, so that a leader cut off from its storage does not look alive. It works
// with any Elector. A nil logger is slog.Default().
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
		w.Header().Set("Cache-Control", "no-store")
		if !elector.IsLeader() { // first, so that the status is that of a leader
			notTheLeader(w)
			return
		}
		status, config := elector.GetLeadershipStatus(), elector.GetConfig()
		body, err := json.Marshal(LeaderRecord{
			LeaderID:    config.ServerID,
			LeaderAddr:  config.ServerAddr,
			LastUpdated: status.LeaderLastSeen,
			Term:        status.Term,
			LeaseMillis: config.LeaderTimeout.Milliseconds(),
		})
		if err != nil {
			logger.Error("cannot encode the leadership answer", "error", err)
			http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
			return
		}
		if !elector.IsLeader() { // the last thing before the answer
			notTheLeader(w)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			logger.Debug("leadership answer was not delivered", "remote", req.RemoteAddr, "error", err)
		}
	}
}

func notTheLeader(w http.ResponseWriter) { http.Error(w, "not the leader", http.StatusNotFound) }
