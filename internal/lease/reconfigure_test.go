package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// relet changes the lease, and the interval with it.
func (s *script) relet(lease time.Duration) {
	s.m.Reconfigure(s.now, Config{ID: "me", Addr: "me:1", Lease: lease, Frequent: lease / 3, Infrequent: lease})
	s.step()
}

func TestGuardedLeadershipSurvivesAChangeOfItsLease(t *testing.T) {
	for name, lease := range map[string]time.Duration{
		"longer": time.Hour, "shorter": leaseTime / 10, "much shorter": leaseTime / 1000,
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.m.Guard(true)
			s.lead()
			s.relet(lease)
			require.NotNil(t, callRecord(s), "the new lease is published at once")
			assert.True(t, s.leads())
			s.m.Answer(s.now, done("e2"))
			s.step()
			assert.True(t, s.leads())
			assert.Empty(t, s.took(Ended))
		})
	}
}

func TestGuardedLeadershipEndsBeforeItsTrustThoughALongerLeaseIsNeverConfirmed(t *testing.T) {
	s := newScript(t)
	s.m.Guard(true)
	s.lead()
	_, until, _ := s.m.Trust()
	s.relet(time.Hour)
	for s.m.phase == leading {
		s.to(s.wake)
	}
	assert.LessOrEqual(t, s.now.Mono, until.Mono-leaseTime/20)
	assert.GreaterOrEqual(t, s.now.Mono, until.Mono-leaseTime/10)
}

func TestGuardLastsAsLongAsATrustThatWasOnceShortened(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.m.Guard(true)
	s.relet(leaseTime / 10)
	s.write("e1", failed()) // a follower may count the short lease
	s.relet(time.Hour)
	s.read(shows("e1", r))
	assert.True(t, s.leads())
	s.write("e1", done("e2"))
	assert.Empty(t, s.took(Ended))
}

func TestOneHungRequestDoesNotCostTheLeadershipWhileALongerLeaseIsPublished(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.relet(time.Hour)
	require.NotNil(t, callRecord(s))
	for s.m.Call() != nil && s.m.phase == leading {
		s.to(s.wake)
	}
	require.True(t, s.leads())
	s.read(shows("e1", r))
	s.write("e1", done("e2"))
	assert.True(t, s.leads())
}
