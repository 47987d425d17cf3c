package sim

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryFaultIsInASmallScheduleAndInTheMixedOne(t *testing.T) {
	for f := range faultCount {
		small := slices.ContainsFunc(Schedules(), func(s Schedule) bool {
			return len(s.faults) <= 3 && slices.Contains(s.faults, f)
		})
		assert.True(t, small, "fault %d", f)
		assert.Contains(t, Mixed().faults, f)
	}
}
