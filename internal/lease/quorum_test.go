package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func withQuorum(c *Config) { c.Quorum, c.Grace = true, 10*time.Second }

// assure has enough members active for d from now.
func (s *script) assure(d time.Duration) {
	s.m.Assure(s.now, s.now.Mono+d)
	s.step()
}

func TestCandidateWithoutQuorumDoesNotClaimAndSaysSo(t *testing.T) {
	s := newScript(t, withQuorum)
	s.read(absent())
	for range 20 {
		s.read(absent())
	}
	assert.Nil(t, s.m.Call())
	require.Len(t, s.took(Withheld), 1)
	_, err := s.m.Troubles()
	require.ErrorIs(t, err, ErrTooFew)
	s.assure(leaseTime)
	require.Len(t, s.took(Withheld), 1)
	s.read(absent())
	s.write("", done("e1"))
	assert.True(t, s.leads())
	_, err = s.m.Troubles()
	assert.NoError(t, err)
}

func TestQuorumThatLapsesDuringTheRandomWaitKeepsTheCandidateBack(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(30 * time.Millisecond)
	s.read(absent())
	s.now = s.now.Add(time.Second)
	s.step()
	for range 5 {
		s.read(absent())
	}
	assert.False(t, s.leads())
}

func TestLeaderStepsDownExactlyWhenItsGraceIsOver(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(4 * time.Second)
	lost := s.now.Mono + 4*time.Second
	s.lead()
	etag := "e1"
	for s.leads() {
		if call := s.m.Call(); call != nil {
			require.NotNil(t, call.Record)
			etag += "'"
			s.answer(done(etag))
		}
		_, short := s.m.Short(s.now)
		require.Equal(t, s.now.Mono >= lost, short)
		s.to(min(s.wake, s.now.Mono+time.Second))
	}
	assert.Equal(t, lost+10*time.Second, s.now.Mono)
	ended := s.took(Ended)
	require.Len(t, ended, 1)
	assert.Equal(t, QuorumLost, ended[0].Reason)
	_, err := s.m.Troubles()
	require.ErrorIs(t, err, ErrTooFew, "work still runs, and the status says why")

	s.m.Release(s.now)
	s.step()
	r := s.write(etag, done("r"))
	assert.True(t, r.Resigned())
	assert.True(t, r.QuorumLost, "the others shall know")
}

func TestMembersThatComeBackWithinTheGraceKeepTheLeader(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(time.Second)
	s.lead()
	for range 5 { // each time it is nearly over
		s.m.Assure(s.now, s.now.Mono+time.Second)
		s.jump(10900 * time.Millisecond)
		if s.m.Call() != nil {
			s.answer(done("e" + s.now.Time().String()))
		}
		require.True(t, s.leads())
		s.assure(time.Second)
	}
	assert.Empty(t, s.took(Ended))
}

func TestMembersThatLeaveOrAreNeededFromNowOnLeaveTheLeaderItsGrace(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(time.Hour)
	s.lead()
	s.m.Assure(s.now, -never)
	s.step()
	until, short := s.m.Short(s.now)
	assert.True(t, short)
	assert.Equal(t, s.now.Mono+10*time.Second, until)

	s = newScript(t)
	s.lead()
	cfg := s.m.cfg
	withQuorum(&cfg)
	s.m.Reconfigure(s.now, cfg)
	s.m.Assure(s.now, -never)
	s.step()
	until, short = s.m.Short(s.now)
	assert.True(t, short)
	assert.Equal(t, s.now.Mono+10*time.Second, until)
}

func TestAfterAQuorumWasLostItMustStandForALeaseBeforeAnybodyClaims(t *testing.T) {
	lost := resigned(foreign(3, 1))
	lost.QuorumLost = true
	s := newScript(t, withQuorum)
	s.read(shows("e", lost))
	s.assure(leaseTime / 2)
	s.now = s.now.Add(leaseTime) // a gap
	s.step()
	begun := s.now.Mono
	for s.m.Call() == nil || s.m.Call().Record == nil {
		s.assure(leaseTime)
		if s.m.Call() != nil && s.m.Call().Record == nil {
			s.answer(shows("e", lost))
		}
		s.pass(100 * time.Millisecond)
		require.Less(t, s.now.Mono-begun, 2*leaseTime)
	}
	assert.InDelta(t, leaseTime, s.now.Mono-begun, float64(time.Second))
}

func TestOrdinaryResignationIsClaimedAtOnceWithAQuorum(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(leaseTime)
	begun := s.now.Mono
	s.readTwice(shows("e", resigned(foreign(3, 1))))
	s.write("e", done("e1"))
	assert.Less(t, s.now.Mono-begun, time.Second)
}

func TestMemberThatIsNotVotingNeverClaims(t *testing.T) {
	s := newScript(t, func(c *Config) { c.NonVoting = true })
	for range 50 {
		s.read(absent())
	}
	for range 50 {
		s.read(shows("e", resigned(foreign(3, 1))))
	}
	assert.Empty(t, s.took(Began))
	_, err := s.m.Troubles()
	assert.NoError(t, err)
}

func TestLeaderThatIsNotVotingAnyMoreResigns(t *testing.T) {
	s := newScript(t)
	s.lead()
	cfg := s.m.cfg
	cfg.NonVoting = true
	s.m.Reconfigure(s.now, cfg)
	s.step()
	ended := s.took(Ended)
	require.Len(t, ended, 1)
	assert.Equal(t, Resigned, ended[0].Reason)
	assert.False(t, s.leads())
	s.m.Release(s.now)
	s.step()
	assert.True(t, s.write("e1", done("r")).Resigned())
	for range 20 {
		s.read(shows("r", resigned(foreign(1, 1))))
	}
}

func TestClaimThatLandsWhenVotingHasBeenGivenUpIsResignedWithoutALeadership(t *testing.T) {
	s := newScript(t)
	s.readTwice(absent())
	s.pass(time.Second)
	require.NotNil(t, s.m.Call().Record)
	cfg := s.m.cfg
	cfg.NonVoting = true
	s.m.Reconfigure(s.now, cfg)
	s.answer(done("e1"))
	assert.Empty(t, s.took(Began))
	assert.True(t, s.write("e1", done("r")).Resigned())
}

func TestWhoHasLostTheQuorumStandsBackForALease(t *testing.T) {
	s := newScript(t, withQuorum)
	s.assure(2 * time.Second)
	s.lead()
	s.jump(12 * time.Second)
	ended := s.took(Ended)
	require.Len(t, ended, 1)
	require.Equal(t, QuorumLost, ended[0].Reason)
	s.m.Release(s.now)
	s.step()
	own := s.write("e1", done("r"))
	released := s.now.Mono
	for s.m.Call() == nil || s.m.Call().Record == nil {
		s.assure(leaseTime)
		if s.m.Call() != nil && s.m.Call().Record == nil {
			own.QuorumLost = false // whatever stands there
			s.answer(shows("r", own))
		}
		s.pass(100 * time.Millisecond)
		require.Less(t, s.now.Mono-released, 2*leaseTime)
	}
	assert.GreaterOrEqual(t, s.now.Mono-released, leaseTime)
}

func TestLeaderIsNamedUntilAReadUnderWayCanHaveShownItsRenewal(t *testing.T) {
	s := newScript(t, func(c *Config) { c.NonVoting = true })
	s.readTwice(shows("e1", foreign(3, 1)))
	since := s.m.seen.since.Mono
	for !s.m.Lapsed() {
		if s.m.Call() != nil {
			s.answer(shows("e1", foreign(3, 1)))
		}
		s.to(min(s.wake, s.now.Mono+time.Second))
	}
	assert.Equal(t, since+leaseTime+leaseTime/5, s.now.Mono)
	require.Len(t, s.took(Lapsed), 1)
	s.read(shows("e2", foreign(3, 2)))
	assert.False(t, s.m.Lapsed())
}
