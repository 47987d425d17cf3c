package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTrustIsCountedFromTheSending(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	s.pass(time.Second)
	sent := s.m.Call().sent
	s.now = s.now.Add(2 * time.Second) // a slow write
	s.m.Answer(s.now, done("e1"))
	s.step()
	_, until, ok := s.m.Trust()
	require.True(t, ok)
	assert.Equal(t, sent.Add(leaseTime*9/10), until)
}

func TestSteadyLeaderWritesOncePerIntervalAndNeverReads(t *testing.T) {
	s := newScript(t)
	s.lead()
	begun, writes := s.now.Mono, 0
	etag := "e1"
	for s.now.Mono < begun+time.Hour {
		next := etag + "'"
		if len(next) > 20 {
			next = "e"
		}
		s.write(etag, done(next))
		etag = next
		writes++
	}
	assert.LessOrEqual(t, writes, 720)
	assert.GreaterOrEqual(t, writes, 700)
}

func TestLeaderOnAStorageWithoutETagsReadsTwicePerRenewal(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	r := s.write("", done(""))
	assert.True(t, s.leads())
	for i := range 10 {
		etag := string(rune('a' + i))
		s.readTwice(shows(etag, r))
		r = s.write(etag, done(""))
	}
	assert.True(t, s.leads())
}

func TestLeadershipEndsWhenTrustDoesWhileARequestHangs(t *testing.T) {
	s := newScript(t)
	s.lead()
	_, until, _ := s.m.Trust()
	for s.now.Mono < until.Mono {
		require.True(t, s.leads())
		s.to(s.wake) // never answered
	}
	assert.False(t, s.leads())
	ended := s.took(Ended)
	require.Len(t, ended, 1)
	assert.Equal(t, Expired, ended[0].Reason)
	assert.Equal(t, until.Mono, s.now.Mono)
}

func TestOneHungRequestDoesNotCostTheLeadership(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.pass(6 * time.Second)
	require.NotNil(t, callRecord(s))
	for at := s.now.Mono; s.m.Call() != nil; s.to(s.wake) {
		require.LessOrEqual(t, s.now.Mono-at, leaseTime/5, "an attempt is bounded to a fifth of the lease")
	}
	s.read(shows("e1", r))
	s.write("e1", done("e2"))
	assert.True(t, s.leads())
	assert.Empty(t, s.took(Ended))
}

func TestSuspendedLeaderFindsItsLeaseGone(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.now.Wall += int64(14 * time.Second) // the monotonic clock did not count
	assert.False(t, s.leads())
	s.step()
	require.Len(t, s.took(Ended), 1)
}

func TestWallClockThatStepsBackExtendsNothing(t *testing.T) {
	s := newScript(t)
	s.lead()
	_, until, _ := s.m.Trust()
	s.now.Wall -= int64(time.Hour)
	s.now = s.now.Add(until.Mono - s.now.Mono)
	assert.False(t, s.leads())
}

func TestRenewalIsDueByWhicheverClockGetsThereFirst(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.pass(time.Second)
	require.Nil(t, s.m.Call())
	s.now.Wall += int64(6 * time.Second) // trust is counted on it, so it must not wait for the other
	s.step()
	s.write("e1", done("e2"))
	assert.True(t, s.leads())
}

func TestConfirmationAfterTrustHasEndedRevivesNothing(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.pass(6 * time.Second)
	require.NotNil(t, callRecord(s))
	s.now = s.now.Add(leaseTime) // frozen; on waking the answer is handled first
	s.m.Answer(s.now, done("e2"))
	assert.False(t, s.leads())
	s.step()
	require.Len(t, s.took(Ended), 1)
}

func TestShorterLeaseLimitsTrustFromTheSendingOn(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.m.Reconfigure(s.now, Config{ID: "me", Addr: "me:1", Lease: 3 * time.Second, Frequent: time.Second, Infrequent: time.Second})
	s.step()
	require.NotNil(t, callRecord(s), "a new lease is published at once")
	sent := s.m.Call().sent
	_, until, _ := s.m.Trust()
	assert.Equal(t, sent.Add(2700*time.Millisecond), until)
	s.answer(failed())
	_, until, _ = s.m.Trust()
	assert.Equal(t, sent.Add(2700*time.Millisecond), until, "confirmed or not")
	_ = r
}

func TestLongerLeaseCountsOnlyOnceItIsConfirmed(t *testing.T) {
	s := newScript(t)
	s.lead()
	_, before, _ := s.m.Trust()
	s.m.Reconfigure(s.now, Config{ID: "me", Addr: "me:1", Lease: time.Minute, Frequent: time.Second, Infrequent: time.Second})
	s.step()
	sent := s.m.Call().sent
	_, until, _ := s.m.Trust()
	assert.Equal(t, before, until)
	s.answer(done("e2"))
	_, until, _ = s.m.Trust()
	assert.Equal(t, sent.Add(54*time.Second), until)
}

// The rows of the table of outcomes for a leader.
func TestRenewalOfUnknownOutcome(t *testing.T) {
	renew := func(t *testing.T, a Answer) (s *script, first, written Record, sent Instant) {
		t.Helper()
		s = newScript(t)
		first = s.lead()
		s.pass(6 * time.Second)
		sent = s.m.Call().sent
		written = s.write("e1", a)
		require.True(t, s.leads())
		return s, first, written, sent
	}
	for name, outcome := range map[string]Answer{"no answer": failed(), "refused": refused(), "throttled": throttled()} {
		t.Run(name+", it landed: confirmed as of its sending", func(t *testing.T) {
			s, _, written, sent := renew(t, outcome)
			s.read(shows("e2", written))
			_, until, _ := s.m.Trust()
			assert.Equal(t, sent.Add(trusted(leaseTime)), until, "the nonce is proof enough")
			s.read(shows("e2", written))
			s.write("e2", done("e3"))
		})
		t.Run(name+", nothing landed: tries again, no new trust", func(t *testing.T) {
			s, first, written, _ := renew(t, outcome)
			_, before, _ := s.m.Trust()
			s.read(shows("e1", first))
			_, until, _ := s.m.Trust()
			assert.Equal(t, before, until)
			assert.NotEqual(t, written.Nonce, s.write("e1", done("e2")).Nonce)
		})
		t.Run(name+", its own version under another ETag: adopted, no new trust", func(t *testing.T) {
			s, first, _, _ := renew(t, outcome)
			_, before, _ := s.m.Trust()
			s.readTwice(shows("e9", first))
			_, until, _ := s.m.Trust()
			assert.Equal(t, before, until)
			s.write("e9", done("e10"))
		})
		t.Run(name+", a foreign session: over, now", func(t *testing.T) {
			s, _, _, _ := renew(t, outcome)
			s.read(shows("e9", foreign(2, 1)))
			assert.False(t, s.leads())
			ended := s.took(Ended)
			require.Len(t, ended, 1)
			assert.Equal(t, Lost, ended[0].Reason)
			assert.Zero(t, ended[0].Until)
			s.m.Release(s.now)
			s.step()
			assert.Nil(t, callRecord(s), "there is nothing to resign")
			assert.ErrorIs(t, s.took(Released)[0].Err, ErrLapsed)
		})
		t.Run(name+", the same ID in another session: over, now", func(t *testing.T) {
			s, _, _, _ := renew(t, outcome)
			twin := foreign(2, 1)
			twin.LeaderID = "me"
			s.read(shows("e9", twin))
			assert.False(t, s.leads())
		})
		t.Run(name+", nothing there: over", func(t *testing.T) {
			s, _, _, _ := renew(t, outcome)
			s.read(absent())
			assert.False(t, s.leads())
			assert.Len(t, s.took(Ended), 1)
		})
		for what, reply := range map[string]Answer{"bad record": bad(), "no answer": failed(), "throttled": throttled()} {
			t.Run(name+", then "+what+": still unknown, trust runs down", func(t *testing.T) {
				s, _, written, _ := renew(t, outcome)
				_, before, _ := s.m.Trust()
				s.read(reply)
				_, until, _ := s.m.Trust()
				assert.Equal(t, before, until)
				s.read(shows("e2", written))
				_, until, _ = s.m.Trust()
				assert.NotEqual(t, before, until)
			})
		}
		t.Run(name+", an earlier version of its own: asks again", func(t *testing.T) {
			s, first, written, _ := renew(t, outcome)
			earlier := first
			earlier.Nonce = "earlier"
			s.read(shows("e0", earlier))
			assert.True(t, s.leads())
			s.read(shows("e2", written))
			assert.True(t, s.leads())
		})
	}
}

func TestETagThatCameWithTheBodyOfAnEarlierVersionIsNotWrittenOver(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.write("e1", failed())
	s.read(shows("stranger's", r)) // torn: the ETag is that of what a stranger has just put there
	s.read(bad())
	for s.leads() {
		s.pass(leaseTime)
		if s.m.Call() == nil {
			break
		}
		require.Nil(t, callRecord(s))
		s.answer(bad())
	}
}

func TestETagsThatKeepChangingArePacedAndReported(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.write("e1", failed())
	reads := 0
	for ; s.leads(); reads++ {
		s.pass(leaseTime)
		if s.m.Call() == nil {
			break
		}
		s.answer(shows(string(rune('a'+reads)), r))
	}
	assert.Less(t, reads, 20)
}

func TestRenewalsThatAreAlwaysRefusedArePaced(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	calls := 0
	for s.leads() {
		s.pass(leaseTime)
		if s.m.Call() == nil {
			break
		}
		calls++
		if s.m.Call().Record != nil {
			s.answer(refused())
		} else {
			s.answer(shows("e1", r))
		}
	}
	assert.Less(t, calls, 30)
}

func TestGuardedLeadershipEndsATenthOfALeaseBeforeItsTrust(t *testing.T) {
	s := newScript(t)
	s.m.Guard(true)
	s.lead()
	_, until, _ := s.m.Trust()
	for s.m.phase == leading {
		s.to(s.wake)
	}
	ended := s.took(Ended)
	require.Len(t, ended, 1)
	assert.InDelta(t, until.Mono-leaseTime/10, s.now.Mono, float64(time.Millisecond))
	assert.Equal(t, until, ended[0].Until)
}

func TestGuardLeavesRoomForTheOrdinaryRenewal(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Frequent = leaseTime * 4 / 5 })
	s.m.Guard(true)
	s.lead()
	s.write("e1", done("e2"))
	assert.True(t, s.leads())
}

func TestNothingIsReleasedOrClaimedBeforeTheWorkHasReturned(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	require.True(t, s.m.Resign(s.now, ""))
	s.step()
	assert.False(t, s.leads())
	for range 20 {
		s.read(shows("e1", r))
		require.Nil(t, callRecord(s))
	}
}

func TestResignationIsWrittenOnceReleased(t *testing.T) {
	s := newScript(t)
	s.lead()
	require.True(t, s.m.Resign(s.now, "heir"))
	s.step()
	s.m.Release(s.now)
	s.step()
	r := s.write("e1", done("e2"))
	assert.True(t, r.Resigned())
	assert.Equal(t, "heir", r.Successor)
	assert.EqualValues(t, 1, r.Term, "the term lives on")
	released := s.took(Released)
	require.Len(t, released, 1)
	assert.NoError(t, released[0].Err)
	assert.False(t, s.leads(), "a resignation never gives trust")
}

func TestResignationIsNotWrittenOnceTheLeaseIsGone(t *testing.T) {
	s := newScript(t)
	s.lead()
	require.True(t, s.m.Resign(s.now, ""))
	s.jump(leaseTime)
	s.m.Release(s.now)
	s.step()
	assert.Nil(t, callRecord(s))
	assert.ErrorIs(t, s.took(Released)[0].Err, ErrLapsed)
}

func TestResignationReplacesARenewalThatLandedMeanwhile(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.pass(6 * time.Second)
	renewal := *callRecord(s) // under way when it resigns
	require.True(t, s.m.Resign(s.now, ""))
	s.step()
	s.m.Release(s.now)
	s.step()
	s.write("e1", refused())
	s.readTwice(shows("e2", renewal))
	assert.True(t, s.write("e2", done("e3")).Resigned())
	assert.NoError(t, s.took(Released)[0].Err)
}

func TestResignationOfUnknownOutcomeIsReadBack(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.m.Resign(s.now, "")
	s.step()
	s.m.Release(s.now)
	s.step()
	r := s.write("e1", failed())
	s.read(shows("e2", r))
	assert.NoError(t, s.took(Released)[0].Err)
}

func TestResignationStopsAtAForeignRecord(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.m.Resign(s.now, "")
	s.step()
	s.m.Release(s.now)
	s.step()
	s.write("e1", refused())
	s.read(shows("e9", foreign(2, 1)))
	assert.ErrorIs(t, s.took(Released)[0].Err, ErrLapsed)
	assert.Nil(t, callRecord(s))
}

func TestCandidateThatResignedStandsBackForOneLease(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.m.Resign(s.now, "")
	s.step()
	s.m.Release(s.now)
	s.step()
	r := s.write("e1", done("e2"))
	since := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e2", r))
	}
	assert.GreaterOrEqual(t, s.now.Mono-since, leaseTime)
	assert.EqualValues(t, 2, s.write("e2", done("e3")).Term)
}

func TestStoppedLeaderResignsAndIsThenIdle(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.m.Stop(s.now)
	s.step()
	assert.False(t, s.m.Idle())
	s.m.Release(s.now)
	s.step()
	assert.True(t, s.write("e1", done("e2")).Resigned())
	assert.True(t, s.m.Idle())
}

func TestStoppedLeaderGivesUpOnADeadStorage(t *testing.T) {
	s := newScript(t)
	s.lead()
	s.m.Stop(s.now)
	s.step()
	s.m.Release(s.now)
	begun := s.now.Mono
	for s.step(); !s.m.Idle(); s.to(s.wake) {
		require.Less(t, s.now.Mono-begun, leaseTime)
	}
	assert.ErrorIs(t, s.took(Released)[0].Err, ErrLapsed)
}

func TestClaimUnderWayAtStopIsResigned(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	s.pass(time.Second)
	s.m.Stop(s.now)
	s.write("", done("e1"))
	assert.Empty(t, s.took(Began))
	assert.True(t, s.write("e1", done("e2")).Resigned())
	assert.True(t, s.m.Idle())
}

func TestRestartedCandidateIsAnotherSessionAndRemembersTerms(t *testing.T) {
	s := newScript(t)
	r := s.lead()
	s.m.Stop(s.now)
	s.step()
	s.m.Release(s.now)
	s.step()
	s.write("e1", done("e2"))
	s.m.Start(s.now)
	s.step()
	assert.NotEqual(t, r.Session, s.m.Session())
	s.read(absent()) // removed meanwhile
	since := s.now.Mono
	for callRecord(s) == nil {
		s.read(absent())
	}
	assert.GreaterOrEqual(t, s.now.Mono-since, leaseTime)
	assert.EqualValues(t, 2, callRecord(s).Term)
}
