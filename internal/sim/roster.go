package sim

import (
	"encoding/json"
	"strings"
)

// object tells the two kinds of objects of an election apart.
type object int

const (
	leaderRecord object = iota
	rosterObject        // the list of observers beside it
)

// rosterSuffix is what the key of a roster has that its leader record's has not.
const rosterSuffix = ".observers"

func (o object) String() string { return pick(o == rosterObject, "list of observers", "leader record") }

func objectOf(key string) object {
	return pick(strings.HasSuffix(key, rosterSuffix), rosterObject, leaderRecord)
}

// request names a request to the object, in the trace and in the streams of random numbers.
func (o object) request(method string) string { return method + pick(o == rosterObject, " roster", "") }

// roster is the list of observers as it is on the wire, read by the simulation itself.
type roster struct {
	Version   int64         `json:"version"`
	Observers []rosterEntry `json:"observers"`
}

type rosterEntry struct {
	ID       string            `json:"id"`
	Beats    int64             `json:"beats"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// find returns an observer's entry, or nil.
func (r *roster) find(id string) *rosterEntry {
	if r == nil {
		return nil
	}
	for i := range r.Observers {
		if r.Observers[i].ID == id {
			return &r.Observers[i]
		}
	}
	return nil
}

// parseRoster returns nil for what is no roster.
func parseRoster(data []byte) *roster {
	var r roster
	if json.Unmarshal(data, &r) != nil || r.Version <= 0 || r.Observers == nil || len(data) > 64<<10 {
		return nil
	}
	known := map[string]bool{}
	for _, o := range r.Observers {
		if o.ID == "" || o.Beats < 0 || known[o.ID] {
			return nil
		}
		known[o.ID] = true
	}
	return &r
}
