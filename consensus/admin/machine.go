package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// What goes to the state machine, and comes back from it.

func performApply(ctx context.Context, h *handler, q *question) *answer {
	given := applyRequest{}
	if refused := q.decode(&given); refused != nil {
		return refused
	}
	command := consensus.Command{Type: given.Type, Data: given.Data, Term: given.Term}
	switch {
	case given.Type == "":
		return refuse(CodeBadRequest, errors.New(`"type" is missing`))
	case given.Data != nil && given.DataBase64 != nil:
		return refuse(CodeBadRequest, errors.New(`either "data" or "dataBase64" can be given`))
	case given.DataBase64 != nil:
		command.Data = *given.DataBase64
	}
	result, err := h.node.ApplyResult(ctx, command)
	if err != nil {
		return failed(err, q.to)
	}
	applied := Applied{Index: result.Index, Term: result.Term}
	if applied.Value, err = encodeValue(result.Value); err != nil { // it has been applied all the same
		applied.ValueError = err.Error()
	}
	return succeed(applied)
}

func performRead(ctx context.Context, h *handler, q *question) *answer {
	given := readRequest{}
	if refused := q.decode(&given); refused != nil {
		return refused
	}
	if given.Query == nil {
		return refuse(CodeBadRequest, errors.New(`"query" is missing`))
	}
	query, err := h.options.DecodeQuery(given.Query)
	if err != nil {
		return refuse(CodeBadRequest, fmt.Errorf(`"query" cannot be read: %w`, err))
	}
	var value any
	if given.Stale {
		value, err = h.node.ReadStale(query)
	} else {
		value, err = h.node.Read(ctx, query)
	}
	if err != nil {
		return failed(err, q.to)
	}
	encoded, err := encodeValue(value)
	if err != nil {
		return refuse(CodeInternal, err)
	}
	return succeed(Answer{encoded})
}

// encodeValue encodes what a state machine has answered. Its own methods may do that, and may panic.
func encodeValue(value any) (encoded json.RawMessage, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			encoded, err = nil, fmt.Errorf("the state machine's answer cannot be encoded as JSON: panic: %v", cause)
		}
	}()
	if encoded, err = encode(value); err != nil {
		return nil, fmt.Errorf("the state machine's answer cannot be encoded as JSON: %w", err)
	}
	return encoded, nil
}
