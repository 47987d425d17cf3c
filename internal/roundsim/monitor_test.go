package roundsim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// TestAnAnonymousClaimIsLostWithTheLastOneWhoMayHaveIt: a server cannot tell the requesters of one
// address apart. It may tell any of them that their claim has won, and must tell one.
func TestAnAnonymousClaimIsLostWithTheLastOneWhoMayHaveIt(t *testing.T) {
	const round = "2026-11-01T08:00"
	winner := rounds.Candidate{Address: "10.0.1.0"}
	here, elsewhere := &server{name: "here"}, &server{name: "elsewhere"}
	answers := map[byte]roundscheck.Output{
		'+': {Answer: roundscheck.Won}, '-': {Answer: roundscheck.Lost}, '!': {Answer: roundscheck.Unknown},
	}
	for name, c := range map[string]struct {
		by    rounds.Candidate
		at    *server
		steps []string // a call, and that it begins, has won, has lost, or was left without an answer: ?+-!
		lost  int
	}{
		"never told":                    {winner, here, []string{"a?", "a-"}, 1},
		"told before":                   {winner, here, []string{"a?", "a+", "b?", "b-"}, 0},
		"left without an answer before": {winner, here, []string{"a?", "a!", "b?", "b-"}, 1},
		"told to one that began later":  {winner, here, []string{"a?", "b?", "b+", "a-"}, 0},
		"told to another later":         {winner, here, []string{"a?", "b?", "a-", "b+"}, 0},
		"told to neither":               {winner, here, []string{"a?", "b?", "a-", "b-"}, 1},
		"told to neither, in turn":      {winner, here, []string{"a?", "b?", "b-", "a-"}, 1},
		"told to none in the end":       {winner, here, []string{"a?", "b?", "a-", "b!", "c?", "c-"}, 1},
		"asked for elsewhere":           {winner, elsewhere, []string{"a?", "a-"}, 0},
		"that of another address":       {rounds.Candidate{Address: "10.0.1.1"}, here, []string{"a?", "a-"}, 0},
		"that of one without a name":    {rounds.Candidate{ID: "worker-0", Address: winner.Address}, here, []string{"a?", "a-"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{began: time.Now(), store: newStore(), trace: &trace{start: time.Now()}}
			w.monitor = newMonitor(w)
			w.store.committed = w.monitor.committed
			record, err := json.Marshal(rounds.State{
				System: system, Round: round, Version: 1, Elected: &rounds.Event{Address: winner.Address, At: time.Now()},
			})
			require.NoError(t, err)
			require.Equal(t, 1, w.store.put(keyOf(round), record, "", here))

			calls := map[byte]*inquiry{}
			for _, step := range c.steps {
				call := step[0]
				out, ends := answers[step[1]]
				switch {
				case !ends:
					calls[call] = &inquiry{client: &client{by: c.by}, server: c.at, operation: roundscheck.Elect, round: round}
					w.monitor.asks(calls[call])
				case out.Answer == roundscheck.Unknown:
					w.monitor.isTold(calls[call], out, rounds.ErrUndecided)
				default:
					w.monitor.isTold(calls[call], out, nil)
				}
			}
			require.Len(t, w.monitor.violations, c.lost, "%v", w.monitor.violations)
			for _, v := range w.monitor.violations {
				assert.Equal(t, LostClaim, v.Kind)
			}
		})
	}
}
