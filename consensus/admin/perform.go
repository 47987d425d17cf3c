package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

func performStatus(_ context.Context, h *handler, _ *question) *answer {
	return succeed(Status{
		Version: h.options.Version, Go: runtime.Version(), Role: h.node.GetRole(), IsLeader: h.node.IsLeader(),
		Cluster: h.node.GetClusterInfo(), Stats: h.node.GetStats(), Timing: Timing(h.node.Timing()),
	})
}

func performLeader(_ context.Context, h *handler, _ *question) *answer {
	known := leader(h.node)
	if known.ID == "" {
		return refuse(CodeNoLeader, errors.New("no leader is known")).with("Retry-After", retryAfter)
	}
	return succeed(known)
}

func performNodes(_ context.Context, h *handler, _ *question) *answer {
	return succeed(Nodes{h.node.GetClusterInfo().Nodes})
}

func performOpenAPI(_ context.Context, h *handler, _ *question) *answer {
	return &answer{status: http.StatusOK, encoded: h.openAPI}
}

func performTransfer(ctx context.Context, h *handler, q *question) *answer {
	given := transferRequest{}
	if refused := q.decode(&given); refused != nil {
		return refused
	}
	if err := h.node.TransferLeadership(ctx, given.Node); err != nil {
		return failed(err, q.to)
	}
	return succeed(leader(h.node))
}

func performStepDown(ctx context.Context, h *handler, q *question) *answer {
	if refused := q.decode(&emptyRequest{}); refused != nil {
		return refused
	}
	if err := h.node.StepDown(ctx); err != nil {
		return failed(err, q.to)
	}
	return succeed(leader(h.node))
}

func performSnapshot(ctx context.Context, h *handler, q *question) *answer {
	if refused := q.decode(&emptyRequest{}); refused != nil {
		return refused
	}
	if err := h.node.Snapshot(ctx); err != nil {
		if ctx.Err() != nil {
			err = &consensus.UnknownOutcomeError{Err: fmt.Errorf("the snapshot goes on: %w", err)}
		}
		return failed(err, q.to)
	}
	return succeed(Snapshot{h.node.GetStats().SnapshotIndex})
}

func performAdd(ctx context.Context, h *handler, q *question) *answer {
	given := addRequest{}
	if refused := q.decode(&given); refused != nil {
		return refused
	}
	add := h.node.AddNode
	switch {
	case given.ID == "":
		return refuse(CodeBadRequest, errors.New(`"id" is missing`))
	case given.Address == "":
		return refuse(CodeBadRequest, errors.New(`"address" is missing`))
	case given.Port < 1 || given.Port > 65535:
		return refuse(CodeBadRequest, fmt.Errorf(`"port" %d must be from 1 to 65535`, given.Port))
	case given.NonVoter:
		add = h.node.AddNonVoter
	}
	if err := add(ctx, given.ID, given.Address, given.Port); err != nil {
		return failed(err, q.to)
	}
	return performNodes(ctx, h, q)
}

func performRemove(ctx context.Context, h *handler, q *question) *answer {
	given := removeRequest{}
	if refused := q.decode(&given); refused != nil {
		return refused
	}
	if given.ID == "" {
		return refuse(CodeBadRequest, errors.New(`"id" is missing`))
	}
	if err := h.node.RemoveNode(ctx, given.ID); err != nil {
		return failed(err, q.to)
	}
	return performNodes(ctx, h, q)
}
