package admin

import (
	"bytes"
	"encoding/json"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// The bodies of requests.

type emptyRequest struct{}

type transferRequest struct {
	Node string `json:"node,omitempty"`
}

type addRequest consensus.PeerConfig

type removeRequest struct {
	ID string `json:"id"`
}

type applyRequest struct {
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 *[]byte         `json:"dataBase64,omitempty"`
	Term       uint64          `json:"term,omitempty"`
}

type readRequest struct {
	Query json.RawMessage `json:"query"`
	Stale bool            `json:"stale,omitempty"`
}

// encode returns a value as JSON in one line, without replacing what is special in HTML.
func encode(value any) ([]byte, error) {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(encoded.Bytes(), "\n"), nil
}
