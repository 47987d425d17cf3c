package sim

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestADoubtThatPassesBeginsNoLeadershipAndAnEndDoes is about a wall clock that steps forward over the end of a lease, and
// back before the elector has looked at it. Seed 2017 of the mixed schedule did so while a frozen process was in its acquire hook.
func TestADoubtThatPassesBeginsNoLeadershipAndAnEndDoes(t *testing.T) {
	lasting, ended := t.Context(), func() context.Context {
		ctx, end := context.WithCancel(t.Context())
		end()
		return ctx
	}()
	for name, c := range map[string]struct {
		watched watched
		term    int64
		goesOn  bool
	}{
		"its acquire hook is still to come":     {watched{term: 2, hooks: hooksIdle, hookTerm: 1, hookCtx: ended}, 2, true},
		"its acquire hook runs":                 {watched{term: 2, hooks: acquiring, hookTerm: 2, hookCtx: lasting}, 2, true},
		"its acquire hook has returned":         {watched{term: 2, hooks: acquired, hookTerm: 2, hookCtx: lasting}, 2, true},
		"its end was told during the hook":      {watched{term: 2, hooks: acquiring, hookTerm: 2, hookCtx: ended}, 2, false},
		"its end was told after the hook":       {watched{term: 2, hooks: acquired, hookTerm: 2, hookCtx: ended}, 2, false},
		"its lose hook runs":                    {watched{term: 2, hooks: losing, hookTerm: 2, hookCtx: ended}, 2, false},
		"its lose hook has returned":            {watched{term: 2, hooks: hooksIdle, hookTerm: 2, hookCtx: ended}, 2, false},
		"it has another term":                   {watched{term: 2, hooks: acquired, hookTerm: 2, hookCtx: lasting}, 3, false},
		"somebody has led with a term above it": {watched{term: 1, hooks: acquired, hookTerm: 1, hookCtx: lasting}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &monitor{topLeader: map[string]int64{"": 2}}
			assert.Equal(t, c.goesOn, m.goesOn(&process{m: c.watched}, c.term))
		})
	}
}
