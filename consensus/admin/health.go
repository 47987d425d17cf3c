package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

// lagWarning is the number of committed entries that the state machine is behind when somebody should look at it.
const lagWarning = 10_000

// health looks at what costs nothing.
func health(n node) Health {
	h := Health{Status: StatusOK, NodeID: n.ID(), Role: n.GetRole(), Leader: n.GetLeader()}
	switch {
	case hasEnded(n) || h.Role == consensus.RoleStopped:
		h.Status, h.Leader, h.Reason = StatusStopped, "", "the node is not running"
	case h.Role == consensus.RoleLeader && !n.IsLeader():
		h.Reason = "the node leads, and no majority of the voters has answered lately"
	case h.Role == consensus.RoleLeader:
		h.Ready = true
	case h.Leader == "":
		h.Reason = "no leader is known"
	default:
		h.Reason = silence(n.GetClusterInfo())
		h.Ready = h.Reason == ""
	}
	return h
}

func hasEnded(n node) bool {
	select {
	case <-n.Done():
		return true
	default:
		return false
	}
}

// silence says that a follower has not heard of its leader for too long; empty if it has.
func silence(info consensus.ClusterInfo) string {
	for _, member := range info.Nodes {
		if member.ID == info.Leader && !member.Healthy {
			return fmt.Sprintf("the leader %s has not been heard of lately", member.ID)
		}
	}
	return ""
}

// performHealth answers whether the node runs; with the parameter ready, whether it is of use. A follower without a
// leader runs: to end it would not bring a leader back.
func performHealth(_ context.Context, h *handler, q *question) *answer {
	found := health(h.node)
	given := succeed(found)
	if found.Status != StatusOK || q.request.URL.Query().Has(q.to.query) && !found.Ready {
		given.status = http.StatusServiceUnavailable
	}
	return given
}

func performDetailedHealth(_ context.Context, h *handler, _ *question) *answer {
	found := DetailedHealth{Health: health(h.node)}
	info, stats := h.node.GetClusterInfo(), h.node.GetStats()
	found.Checks = []Check{
		checkRunning(found.Health),
		checkStorage(found.Health, h.node.Err()),
		checkLeader(found.Health),
		checkQuorum(h.node.IsLeader(), found.Health, info),
		checkApplied(stats),
		checkSnapshot(stats),
	}
	given := succeed(found)
	if !found.Ready {
		given.status = http.StatusServiceUnavailable
	}
	return given
}

func checkRunning(h Health) Check {
	if h.Status != StatusOK {
		return Check{"running", CheckFailed, h.Reason}
	}
	return Check{"running", CheckPassed, "the node runs as " + h.Role.String()}
}

// checkStorage goes by why a node has ended: one whose storage fails stops.
func checkStorage(h Health, ended error) Check {
	switch {
	case errors.Is(ended, consensus.ErrStorageUnavailable):
		return Check{"storage", CheckFailed, "the storage has failed; the node's log says how"}
	case errors.Is(ended, consensus.ErrLogInconsistent):
		return Check{"storage", CheckFailed, "the log on the storage is damaged; the node's log says how"}
	case h.Status != StatusOK:
		return Check{"storage", CheckUnknown, "the node is not running"}
	}
	return Check{"storage", CheckPassed, "the node runs, and would not if its storage had failed"}
}

func checkLeader(h Health) Check {
	switch {
	case h.Leader == "":
		return Check{"leader", CheckFailed, "no leader is known"}
	case !h.Ready:
		return Check{"leader", CheckFailed, h.Reason}
	}
	return Check{"leader", CheckPassed, h.Leader + " leads"}
}

// checkQuorum can tell something on the leader only: nobody else hears of the voters.
func checkQuorum(leads bool, h Health, info consensus.ClusterInfo) Check {
	if h.Role != consensus.RoleLeader {
		return Check{"quorum", CheckUnknown, "only the leader hears of the voters"}
	}
	voters, silent := 0, []string{}
	for _, member := range info.Nodes {
		if !member.Voter {
			continue
		}
		voters++
		if !member.Healthy {
			silent = append(silent, member.ID)
		}
	}
	heard := fmt.Sprintf("%d of %d voters have been heard of lately", voters-len(silent), voters)
	switch {
	case !leads:
		return Check{"quorum", CheckFailed, heard + ", and no majority has answered in time"}
	case len(silent) > 0:
		return Check{"quorum", CheckWarned, heard + ", and not " + strings.Join(silent, ", ")}
	}
	return Check{"quorum", CheckPassed, heard}
}

func checkApplied(stats consensus.Stats) Check {
	lag := uint64(0)
	if stats.CommitIndex > stats.LastApplied {
		lag = stats.CommitIndex - stats.LastApplied
	}
	reason := fmt.Sprintf("the state machine is %d entries behind what is known to be committed", lag)
	if lag > lagWarning {
		return Check{"applied", CheckWarned, reason}
	}
	return Check{"applied", CheckPassed, reason}
}

func checkSnapshot(stats consensus.Stats) Check {
	if stats.SnapshotIndex == 0 {
		return Check{"snapshot", CheckUnknown, fmt.Sprintf("there is no snapshot; the log has %d entries", stats.LogSize)}
	}
	since := stats.LastApplied - min(stats.SnapshotIndex, stats.LastApplied)
	return Check{"snapshot", CheckPassed, fmt.Sprintf("%d entries ago, at %d; the log has %d entries", since, stats.SnapshotIndex, stats.LogSize)}
}
