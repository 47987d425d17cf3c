package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenewalThatIsSeenToLandWhileTheWorkWindsDownIsResignedOver(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.pass(6 * time.Second)
	renewal := *callRecord(s) // under way when it resigns, and lands while the work winds down
	require.True(t, s.m.Resign(s.now, ""))
	s.step()
	s.read(shows("e2", renewal))
	s.m.Release(s.now)
	s.step()
	s.read(shows("e2", renewal))
	r := s.write("e2", failed())
	s.read(shows("e2", renewal)) // not there yet
	s.write("e2", refused())
	s.read(shows("e3", r))
	assert.NoError(t, s.took(Released)[0].Err)
}

func TestReadFromThePastWhileTheWorkWindsDownDoesNotKeepItFromBeingReleased(t *testing.T) {
	s := newScript(t)
	first := s.lead()
	s.write("e1", done("e2"))
	require.True(t, s.m.Resign(s.now, ""))
	s.step()
	s.read(shows("e1", first))
	s.m.Release(s.now)
	s.step()
	assert.True(t, s.write("e2", done("e3")).Resigned())
	assert.NoError(t, s.took(Released)[0].Err)
}

func TestFormerLeaderLooksSoonForWhoLeadsNow(t *testing.T) {
	s := newScript(t)
	s.lead()
	require.True(t, s.m.Resign(s.now, ""))
	s.m.Release(s.now)
	s.step()
	s.write("e1", done("e2"))
	released := s.now.Mono
	s.read(shows("e3", foreign(2, 1)))
	assert.Less(t, s.now.Mono-released, time.Second)
}
