package rounds

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxRecord is far more than a record ever has, and what every storage holds.
const maxRecord = 64 << 10

// record is a round on the wire.
type record struct {
	State
	// Claim is random and tells which call of an anonymous candidate has won.
	Claim string `json:"claim,omitempty"`
}

func newRecord(at place) record {
	return record{State: State{System: at.system, Round: at.round}}
}

// encode is json.Marshal in a quarter of its time. Names and addresses are printable ASCII, of which
// JSON escapes two characters.
func (r record) encode() []byte {
	data := make([]byte, 0, 512)
	data = appendText(append(data, `{"system":`...), r.System)
	data = appendText(append(data, `,"round":`...), r.Round)
	data = strconv.AppendInt(append(data, `,"version":`...), r.Version, 10)
	data = appendEvent(data, `,"elected":`, r.Elected)
	data = appendEvent(data, `,"completed":`, r.Completed)
	if r.Claim != "" {
		data = appendText(append(data, `,"claim":`...), r.Claim)
	}
	return append(data, '}')
}

func appendEvent(data []byte, name string, e *Event) []byte {
	if e == nil {
		return data
	}
	data = append(append(data, name...), '{')
	if e.ID != "" {
		data = append(appendText(append(data, `"id":`...), e.ID), ',')
	}
	if e.Address != "" {
		data = append(appendText(append(data, `"address":`...), e.Address), ',')
	}
	data = e.At.AppendFormat(append(data, `"at":"`...), time.RFC3339Nano)
	return append(data, `"}`...)
}

func appendText(data []byte, text string) []byte {
	data = append(data, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			data = append(data, '\\')
		}
		data = append(data, text[i])
	}
	return append(data, '"')
}

// decode refuses everything that is not the record of this round, such as the one of another round
// on a file system that ignores case.
func decode(at place, data []byte) (record, error) {
	var r record
	err := r.parse(data)
	switch {
	case err != nil:
	case r.System != at.system || r.Round != at.round:
		err = fmt.Errorf("it is that of round %q of %q", r.Round, r.System)
	case r.Version < 1:
		err = fmt.Errorf("its version is %d", r.Version)
	case r.Elected == nil && r.Completed == nil:
		err = errors.New("it tells neither an election nor a completion")
	}
	for _, e := range []*Event{r.Elected, r.Completed} {
		if err == nil && e != nil && e.ID == "" && e.Address == "" {
			err = errors.New("it does not tell whose it is")
		}
	}
	if err != nil {
		return record{}, &RecordError{Key: at.key, Err: err}
	}
	return r, nil
}

func (r *record) parse(data []byte) error {
	if len(data) > maxRecord {
		return fmt.Errorf("it has more than %d bytes", maxRecord)
	}
	if err := json.Unmarshal(data, r); err != nil {
		return fmt.Errorf("it is not JSON of the right form: %w", err)
	}
	return nil
}
