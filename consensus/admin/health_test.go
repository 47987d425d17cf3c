package admin

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

func TestHealthTellsANodeThatRunsFromOneThatIsOfUse(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(*fake)
		live, ready int
	}{
		"leader":                      {func(*fake) {}, 200, 200},
		"leader without a majority":   {func(f *fake) { f.leads = false }, 200, 503},
		"follower":                    {func(f *fake) { f.role, f.info.NodeID = consensus.RoleFollower, "n2" }, 200, 200},
		"follower of a silent leader": {func(f *fake) { f.role, f.info.NodeID, f.info.Nodes[0].Healthy = consensus.RoleFollower, "n2", false }, 200, 503},
		"follower without a leader":   {func(f *fake) { f.role, f.info.NodeID, f.info.Leader = consensus.RoleFollower, "n2", "" }, 200, 503},
		"candidate":                   {func(f *fake) { f.role, f.info.Leader = consensus.RoleCandidate, "" }, 200, 503},
		"nonvoter":                    {func(f *fake) { f.role, f.info.NodeID = consensus.RoleNonVoter, "n2" }, 200, 200},
		"not started":                 {func(f *fake) { f.role, f.info.Leader = consensus.RoleStopped, "" }, 503, 503},
		"ended":                       {func(f *fake) { close(f.ended) }, 503, 503},
	} {
		f := newFake()
		c.change(f)
		h := handlerOf(t, f, Options{})
		assert.Equal(t, c.live, ask(t, h, http.MethodGet, "/health", "").Code, name)
		assert.Equal(t, c.ready, ask(t, h, http.MethodGet, "/health?ready", "").Code, name)
		assert.Equal(t, c.ready, ask(t, h, http.MethodGet, "/health/detailed", "").Code, name)
		told := decoded[Health](t, ask(t, h, http.MethodGet, "/health", ""))
		assert.Equal(t, c.ready == 200, told.Ready, name)
		assert.Equal(t, c.live == 200, told.Status == StatusOK, name)
		assert.Equal(t, c.ready != 200, told.Reason != "", name)
		assert.Equal(t, f.role, told.Role)
	}
}

func TestChecksSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, check, result, reason string
		change                      func(*fake)
	}{
		{"all is well", "quorum", CheckPassed, "2 of 2 voters", func(*fake) {}},
		{"all is well", "applied", CheckPassed, "1 entries behind", func(*fake) {}},
		{"all is well", "snapshot", CheckPassed, "6 entries ago", func(*fake) {}},
		{"no snapshot", "snapshot", CheckUnknown, "7 entries", func(f *fake) { f.stats.SnapshotIndex = 0 }},
		{"snapshot from the leader", "snapshot", CheckPassed, "0 entries ago", func(f *fake) { f.stats.SnapshotIndex = 99 }},
		{"lag", "applied", CheckWarned, "10001 entries", func(f *fake) { f.stats.CommitIndex = f.stats.LastApplied + 10_001 }},
		{"ahead of what it knows", "applied", CheckPassed, "0 entries", func(f *fake) { f.stats.CommitIndex = 0 }},
		{"silent voter", "quorum", CheckWarned, "1 of 2 voters have been heard of lately, and not n2", func(f *fake) { f.info.Nodes[1].Healthy = false }},
		{"silent nonvoter", "quorum", CheckPassed, "1 of 1 voters", func(f *fake) { f.info.Nodes[1].Healthy, f.info.Nodes[1].Voter = false, false }},
		{"no majority", "quorum", CheckFailed, "no majority", func(f *fake) { f.leads = false }},
		{"follower", "quorum", CheckUnknown, "only the leader", func(f *fake) { f.role = consensus.RoleFollower }},
		{"no leader", "leader", CheckFailed, "no leader", func(f *fake) { f.role, f.info.Leader = consensus.RoleFollower, "" }},
		{"full disk", "storage", CheckFailed, "the storage has failed", func(f *fake) {
			close(f.ended)
			f.why = fmt.Errorf("%w: /secret/path: no space left", consensus.ErrStorageUnavailable)
		}},
		{"damaged log", "storage", CheckFailed, "damaged", func(f *fake) { close(f.ended); f.why = consensus.ErrLogInconsistent }},
		{"panic", "storage", CheckUnknown, "not running", func(f *fake) { close(f.ended); f.why = errors.New("odd") }},
		{"panic", "running", CheckFailed, "not running", func(f *fake) { close(f.ended); f.why = errors.New("odd") }},
	} {
		f := newFake()
		c.change(f)
		w := ask(t, handlerOf(t, f, Options{}), http.MethodGet, "/health/detailed", "")
		assert.NotContains(t, w.Body.String(), "secret", "details are for the log")
		found := map[string]Check{}
		for _, check := range decoded[DetailedHealth](t, w).Checks {
			found[check.Name] = check
		}
		assert.Equal(t, c.result, found[c.check].Result, c.name)
		assert.Contains(t, found[c.check].Reason, c.reason, c.name)
	}
}
