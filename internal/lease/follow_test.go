package lease

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVacantLeadershipIsClaimedAfterTwoReadsWithTheSameResult(t *testing.T) {
	s := newScript(t)
	begun := s.now
	s.read(absent())
	assert.Nil(t, s.m.Call(), "a random wait comes first")
	s.read(absent())
	r := s.write("", done("e1"))
	assert.True(t, s.leads())
	assert.EqualValues(t, 1, r.Term)
	assert.NotEmpty(t, r.Nonce)
	assert.Equal(t, s.m.Session(), r.Session)
	assert.Equal(t, leaseTime, r.Lease)
	assert.Less(t, s.now.Mono-begun.Mono, time.Second)
	assert.Len(t, s.took(Began), 1)
}

func TestResignedRecordIsClaimedAtOnceWithTheNextTerm(t *testing.T) {
	s := newScript(t)
	s.read(shows("e7", resigned(foreign(7, 1))))
	s.read(shows("e7", resigned(foreign(7, 1))))
	r := s.write("e7", done("e8"))
	assert.EqualValues(t, 8, r.Term)
	assert.Empty(t, r.Successor)
}

func TestTornReadOfAResignationIsNotClaimed(t *testing.T) {
	s := newScript(t)
	s.read(shows("e8", resigned(foreign(7, 1)))) // the ETag is already the next holder's
	s.read(shows("e8", foreign(8, 2)))
	s.pass(leaseTime - time.Second)
	require.NotNil(t, s.m.Call())
	assert.Nil(t, s.m.Call().Record)
}

func TestFollowerWaitsTheWholeLeaseSinceItFirstSawTheVersion(t *testing.T) {
	s := newScript(t)
	s.read(shows("e1", foreign(1, 1)))
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e1", foreign(1, 1)))
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
	assert.Less(t, s.m.Call().sent.Mono-seen, leaseTime+time.Second)
	assert.EqualValues(t, 2, s.write("e1", done("e2")).Term)
}

func TestFollowerWaitsTheRecordsLeaseWhereItIsLongerThanItsOwn(t *testing.T) {
	s := newScript(t)
	r := foreign(1, 1)
	r.Lease = time.Minute
	s.read(shows("e1", r))
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e1", r))
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, time.Minute)
}

func TestFollowerWaitsItsOwnTimeoutForARecordWithoutALease(t *testing.T) {
	s := newScript(t)
	old := Record{LeaderID: "old", LastUpdated: time.Unix(1, 0)}
	s.read(shows("e1", old))
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e1", old))
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
	assert.EqualValues(t, 1, s.write("e1", done("e2")).Term)
}

func TestANewVersionStartsTheObservationAnew(t *testing.T) {
	for name, next := range map[string]Answer{
		"another ETag with the same nonce": shows("e2", foreign(1, 1)),
		"another nonce with the same ETag": shows("e1", foreign(1, 2)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.read(shows("e1", foreign(1, 1)))
			s.pass(4 * time.Second)
			for s.m.Call() == nil {
				s.pass(time.Second)
			}
			s.answer(next)
			seen := s.now.Mono
			for callRecord(s) == nil {
				s.read(next)
			}
			assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
		})
	}
}

func TestRecordThatDisappearsIsWaitedOutWithATermAboveAllSeen(t *testing.T) {
	s := newScript(t)
	s.read(shows("e41", foreign(41, 1)))
	s.read(absent())
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(absent())
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
	assert.EqualValues(t, 42, s.write("", done("e42")).Term)
}

func TestOnlyTheNamedSuccessorClaimsForOneLease(t *testing.T) {
	r := resigned(foreign(3, 1))
	r.Successor = "somebody"
	s := newScript(t)
	s.read(shows("e3", r))
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e3", r))
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime, "others hold off")

	r.Successor = "me"
	s = newScript(t)
	s.m.standBack = s.now.Mono + time.Hour
	s.read(shows("e3", r))
	s.read(shows("e3", r))
	assert.Empty(t, s.write("e3", done("e4")).Successor, "a claim clears the successor")
	assert.True(t, s.leads(), "it was asked to, so it does not stand back")
}

func TestBadRecordIsNeverWrittenOver(t *testing.T) {
	s := newScript(t)
	begun := s.now.Mono
	reads := 0
	for s.now.Mono < begun+time.Hour {
		s.read(bad())
		require.Nil(t, callRecord(s))
		reads++
	}
	assert.Less(t, reads, 800, "it is looked at once per FrequentInterval")
	fails, err := s.m.Troubles()
	assert.Equal(t, reads, fails)
	assert.ErrorIs(t, err, errStorage)
}

func TestWhatComesAfterABadRecordIsObservedAnew(t *testing.T) {
	s := newScript(t)
	s.read(shows("e1", foreign(1, 1)))
	s.read(bad())
	s.read(shows("e1", foreign(1, 1)))
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(shows("e1", foreign(1, 1)))
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
}

func TestLastTermIsNotExceeded(t *testing.T) {
	s := newScript(t)
	last := resigned(foreign(MaxTerm-1, 1))
	for range 20 {
		s.read(shows("e1", last))
		require.Nil(t, callRecord(s))
	}
	_, err := s.m.Troubles()
	assert.ErrorContains(t, err, "repair")
}

func TestFailedReadsArePaced(t *testing.T) {
	s := newScript(t)
	var pauses []time.Duration
	for range 8 {
		at := s.now.Mono
		s.read(failed())
		pauses = append(pauses, s.now.Mono-20*time.Millisecond-at)
	}
	assert.InDelta(t, 100*time.Millisecond, pauses[1], float64(30*time.Millisecond))
	assert.InDelta(t, time.Second, pauses[2], float64(300*time.Millisecond))
	assert.GreaterOrEqual(t, pauses[6], 5*time.Second)
}

func TestClaimLostToAFasterCandidateIsNoTrouble(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	s.write("", refused())
	_, err := s.m.Troubles()
	assert.NoError(t, err)
	s.read(shows("e1", foreign(1, 1)))
	_, err = s.m.Troubles()
	assert.NoError(t, err)
}

func TestClaimsThatAreAlwaysRefusedArePacedAndReported(t *testing.T) {
	s := newScript(t)
	r := resigned(foreign(1, 1))
	s.read(shows("e1", r))
	begun, claims := s.now.Mono, 0
	for s.now.Mono < begun+time.Minute {
		if callRecord(s) != nil {
			s.answer(refused())
			claims++
			continue
		}
		s.read(shows("e1", r))
	}
	assert.Less(t, claims, 20)
	fails, err := s.m.Troubles()
	assert.InDelta(t, claims, fails, 1)
	assert.ErrorContains(t, err, "s3lect probe")
}

// The rows of the table of outcomes for a candidate.
func TestClaimOfUnknownOutcome(t *testing.T) {
	claim := func(t *testing.T, a Answer) (*script, Record) {
		t.Helper()
		s := newScript(t)
		r := resigned(foreign(4, 1))
		s.read(shows("e4", r))
		s.read(shows("e4", r))
		written := s.write("e4", a)
		assert.False(t, s.leads())
		return s, written
	}
	for name, outcome := range map[string]Answer{"no answer": failed(), "refused": refused(), "throttled": throttled()} {
		t.Run(name+", it landed: leads only after one more confirmed write", func(t *testing.T) {
			s, written := claim(t, outcome)
			s.readTwice(shows("e5", written))
			assert.False(t, s.leads())
			again := s.write("e5", done("e6"))
			assert.True(t, s.leads())
			assert.Equal(t, written.Term, again.Term)
			assert.NotEqual(t, written.Nonce, again.Nonce)
			_, until, _ := s.m.Trust()
			assert.LessOrEqual(t, until.Mono, s.now.Mono+trusted(leaseTime))
		})
		t.Run(name+", nothing landed: tries again with a new nonce", func(t *testing.T) {
			s, written := claim(t, outcome)
			for callRecord(s) == nil {
				s.read(shows("e4", resigned(foreign(4, 1))))
			}
			again := s.write("e4", done("e5"))
			assert.NotEqual(t, written.Nonce, again.Nonce)
			assert.EqualValues(t, 5, again.Term)
			assert.True(t, s.leads())
		})
		t.Run(name+", another was faster: observes it anew", func(t *testing.T) {
			s, _ := claim(t, outcome)
			s.read(shows("e5", foreign(5, 2)))
			seen := s.now.Mono
			for callRecord(s) == nil {
				s.read(shows("e5", foreign(5, 2)))
			}
			assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
		})
		t.Run(name+", gone: waited out", func(t *testing.T) {
			s, _ := claim(t, outcome)
			s.read(absent())
			seen := s.now.Mono
			for callRecord(s) == nil {
				s.read(absent())
			}
			assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
		})
		t.Run(name+", no word: not claimed, and reported", func(t *testing.T) {
			s, _ := claim(t, outcome)
			s.read(failed())
			assert.False(t, s.leads())
			fails, err := s.m.Troubles()
			assert.NotZero(t, fails)
			assert.ErrorIs(t, err, errStorage)
		})
		t.Run(name+", landed long after: leads only after one more confirmed write", func(t *testing.T) {
			s, written := claim(t, outcome)
			for range 5 {
				s.read(failed())
			}
			s.readTwice(shows("e5", written))
			assert.False(t, s.leads())
			s.write("e5", done("e6"))
			assert.True(t, s.leads())
		})
	}
}

func TestClaimConfirmedTooLateIsConfirmedOnceMore(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	s.pass(time.Second)
	s.now = s.now.Add(trusted(leaseTime)) // frozen between the sending and the answer
	s.m.Answer(s.now, done("e1"))
	s.step()
	assert.False(t, s.leads())
	s.write("e1", done("e2"))
	assert.True(t, s.leads())
}

func TestSettledFollowerReadsRarely(t *testing.T) {
	s := newScript(t)
	version := 0
	next := func() Answer {
		version++
		return shows(string(rune('a'+version%26)), foreign(1, version))
	}
	s.read(next())
	begun := s.now.Mono
	for s.now.Mono < begun+2*leaseTime {
		at := s.now.Mono
		s.read(next())
		assert.LessOrEqual(t, s.now.Mono-at, 5*time.Second+20*time.Millisecond, "the first two leases of a term are not settled")
	}
	s.read(next())
	for range 10 {
		at := s.now.Mono
		s.read(next())
		assert.GreaterOrEqual(t, s.now.Mono-at, leaseTime*95/100)
		assert.LessOrEqual(t, s.now.Mono-at, leaseTime+20*time.Millisecond)
	}
}

func TestOwnIDRenewedByAnotherSessionIsReportedOnlyOnceItIsKnownToLive(t *testing.T) {
	s := newScript(t)
	twin := func(n int) Record {
		r := foreign(1, n)
		r.LeaderID = "me"
		return r
	}
	s.read(shows("e1", twin(1)))
	s.read(shows("e2", twin(2)))
	_, err := s.m.Troubles()
	require.NoError(t, err, "a former incarnation's last write can land late")
	s.read(shows("e3", twin(3)))
	_, err = s.m.Troubles()
	require.ErrorIs(t, err, ErrDuplicate)
	s.read(shows("e4", foreign(2, 4)))
	_, err = s.m.Troubles()
	assert.NoError(t, err)
}

// callRecord returns what the call under way writes, or nil.
func callRecord(s *script) *Record {
	if s.m.Call() == nil {
		return nil
	}
	return s.m.Call().Record
}

func TestClaimThatHasLandedIsPacedLikeAnyOtherUntilItIsConfirmed(t *testing.T) {
	s := newScript(t)
	s.read(absent())
	s.read(absent())
	r := s.write("", failed())
	s.read(shows("e1", r))
	require.False(t, s.leads())
	begun, calls := s.now.Mono, 0
	for ; s.now.Mono < begun+10*time.Minute; calls++ {
		s.pass(leaseTime)
		s.answer(failed())
	}
	assert.Less(t, calls, 130, "once per FrequentInterval: nobody holds anything")
}

func TestObjectThatWasNoRecordAndIsGoneIsWaitedOut(t *testing.T) {
	s := newScript(t)
	s.read(bad()) // it may be that of a leader, in a form of the future
	s.read(absent())
	seen := s.now.Mono
	for callRecord(s) == nil {
		s.read(absent())
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-seen, leaseTime)
}
