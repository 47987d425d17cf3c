package s3lect

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

// heartbeat is what has become of that of an observer which came with a question.
type heartbeat struct {
	taken   bool
	refusal string // why it was not; empty if there was none
}

// attendant is an elector that counts heartbeats.
type attendant interface {
	attend(id string, metadata map[string]string) error
	dismiss(id string)
}

// takeHeartbeat counts a question as a heartbeat of the observer that it names, on a leader. It has to
// come with a client certificate that the server has verified: whoever else could reach the server
// could pretend that members are there.
func takeHeartbeat(req *http.Request, elector Elector) heartbeat {
	query := req.URL.Query()
	id := query.Get("observer")
	a, ok := elector.(attendant)
	if id == "" || !ok || !elector.IsLeader() {
		return heartbeat{}
	}
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 {
		return heartbeat{refusal: "heartbeats count only with a client certificate that the leader's server verifies"}
	}
	if query.Get("leaving") != "" {
		a.dismiss(id)
		return heartbeat{}
	}
	if err := attendQuery(a, id, query.Get("metadata")); err != nil {
		return heartbeat{refusal: err.Error()}
	}
	return heartbeat{taken: true}
}

func attendQuery(a attendant, id, metadata string) error {
	if err := checkIdentifier("observer", id); err != nil {
		return err
	}
	var decoded map[string]string
	if metadata != "" {
		if err := json.Unmarshal([]byte(metadata), &decoded); err != nil {
			return fmt.Errorf("metadata of observer %.100q is not a JSON object of strings: %w", id, err)
		}
	}
	if err := roster.CheckMetadata(decoded); err != nil {
		return fmt.Errorf("observer %.100q: %w", id, err)
	}
	return a.attend(id, decoded)
}

// attend counts a heartbeat that has come to this leader.
func (e *S3Elector) attend(id string, metadata map[string]string) error {
	return e.attendance().Heard(e.env.Now().Mono, e.current().LeaderTimeout, id, metadata)
}

// dismiss forgets an observer that has told this leader that it leaves. The leader itself knows better.
func (e *S3Elector) dismiss(id string) {
	if id != e.current().ServerID {
		e.attendance().Leave(id)
	}
}

// introduction is how an elector that observes presents itself to the leader: its name, and its metadata
// as JSON. Both are empty for one that does not.
func (c *ElectorConfig) introduction() (observer, metadata string) {
	if !c.observes() {
		return "", ""
	}
	data, err := json.Marshal(c.ObserverMetadata)
	if err != nil || len(c.ObserverMetadata) == 0 {
		return c.ServerID, ""
	}
	return c.ServerID, string(data)
}
