package lease

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	poll        = 5250 * time.Millisecond
	peerTimeout = 3 * time.Second
)

var errSilent = errors.New("nobody answers")

func withPeers(c *Config) { c.Peers, c.PeerTimeout = true, peerTimeout }

// version is the record of another candidate, in its n-th version.
func version(term, n int64) Record {
	r := foreign(term, int(n))
	r.Sequence = n
	return r
}

// word is what the leader tells when it has written its n-th version, with the ETag "en".
func word(term, n int64) *Word {
	return &Word{Record: version(term, n), ETag: etag(n), Poll: poll, Followers: 4}
}

func etag(n int64) string { return string([]byte{'e', byte('0' + n)}) }

// until moves both clocks on until something is so.
func (s *script) until(limit time.Duration, what string, is func() bool) {
	s.t.Helper()
	end := s.now.Mono + limit
	for !is() {
		require.LessOrEqual(s.t, s.wake, end, "%s within %v", what, limit)
		s.to(max(s.wake, s.now.Mono+1))
	}
}

// asked expects that a question is wanted, within a lease, and returns it.
func (s *script) asked() *Question {
	s.t.Helper()
	s.until(leaseTime, "a question", func() bool { return s.m.Question() != nil })
	return s.m.Question()
}

func (s *script) reply(w *Word, err error) {
	s.t.Helper()
	s.asked()
	s.now = s.now.Add(time.Millisecond)
	s.m.Reply(s.now, w, err)
	s.step()
}

// follow brings the machine to follow the leader of term 3 by its word, polling, and settled. It
// returns the number of the version known last.
func (s *script) follow() (n int64) {
	const term = 3
	s.t.Helper()
	n = 1
	s.read(shows(etag(n), version(term, n)))
	s.reply(word(term, n), nil)
	begun := s.now.Mono
	for s.now.Mono-begun < 2*leaseTime+time.Second {
		n = s.renew(term, n)
	}
	return n
}

// renew passes the time until the next renewal of the leader, of which it tells. Reads show the last.
func (s *script) renew(term, n int64) int64 {
	s.t.Helper()
	next := s.now.Mono + 5*time.Second
	for s.now.Mono < next {
		if s.m.Call() != nil {
			s.answer(shows(etag(n), version(term, n)))
			continue
		}
		s.to(min(next, max(s.wake, s.now.Mono+1)))
	}
	require.NotNil(s.t, s.m.Question(), "the follower waits for news")
	s.reply(word(term, n+1), nil)
	return n + 1
}

func TestFollowerAsksTheLeaderAndThenWaitsForItsNews(t *testing.T) {
	s := newScript(t, withPeers)
	assert.Nil(t, s.m.Question(), "nobody is known yet")
	s.read(shows("e1", version(3, 1)))
	q := s.asked()
	assert.Equal(t, "other:1", q.Addr)
	assert.Empty(t, q.Session, "whether it knows the long poll is not known yet")
	s.reply(word(3, 1), nil)
	q = s.asked()
	assert.Equal(t, "theirs", q.Session)
	assert.EqualValues(t, 1, q.After)
	s.reply(word(3, 2), nil)
	assert.EqualValues(t, 2, s.asked().After)
	last, err := s.m.Heard()
	require.NoError(t, err)
	assert.Equal(t, s.now, last)
}

func TestWithoutPeerModeNobodyIsAsked(t *testing.T) {
	s := newScript(t)
	s.read(shows("e1", version(3, 1)))
	s.pass(leaseTime)
	assert.Nil(t, s.m.Question())
}

func TestPeersWordStartsAnObservationThatAReadMustShowAgain(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	heard := s.now.Mono
	s.reply(nil, errSilent)
	for callRecord(s) == nil {
		s.pass(leaseTime)
		require.NotNil(t, s.m.Call())
		if s.m.Call().Record == nil {
			s.answer(shows(etag(n), version(3, n)))
		}
	}
	assert.GreaterOrEqual(t, s.m.Call().sent.Mono-heard, leaseTime)
	assert.Less(t, s.m.Call().sent.Mono-heard, leaseTime+time.Second, "and not a lease from the read")
	assert.EqualValues(t, 4, s.write(etag(n), done("x")).Term)
}

func TestClaimIsNotMadeWhereTheReadShowsALaterVersionThanTheWord(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	heard := s.now.Mono
	s.until(leaseTime+peerTimeout, "the read before the claim", func() bool {
		if c := s.m.Call(); c != nil && s.now.Mono-heard < leaseTime {
			s.answer(shows(etag(n), version(3, n)))
		}
		return s.m.Call() != nil && s.now.Mono-heard >= leaseTime
	})
	s.answer(shows("later", version(3, n+1)))
	s.until(leaseTime, "silence", func() bool {
		if c := s.m.Call(); c != nil {
			require.Nil(t, c.Record, "the new version has its whole lease")
			s.answer(shows("later", version(3, n+1)))
		}
		return s.now.Mono > heard+2*leaseTime-time.Second
	})
}

func TestShorterLeaseOfAPeersWordIsNotObeyed(t *testing.T) {
	s := newScript(t, withPeers)
	r := version(3, 1)
	r.Lease = time.Minute
	s.read(shows("e1", r))
	w := word(3, 2)
	w.Record.Lease = time.Millisecond
	s.reply(w, nil)
	heard := s.now.Mono
	r.Sequence, r.Nonce = 2, w.Record.Nonce
	for s.now.Mono < heard+time.Minute {
		s.until(leaseTime+time.Second, "a read", func() bool { return s.m.Call() != nil })
		require.Nil(t, s.m.Call().Record, "claimed %v after the word", s.now.Mono-heard)
		s.answer(shows("e2", r))
	}
}

func TestWordsThatAreNotOfTheLeaderOnRecordCountForNothing(t *testing.T) {
	for name, change := range map[string]func(*Word){
		"another incarnation": func(w *Word) { w.Record.Session = "former" },
		"another term":        func(w *Word) { w.Record.Term++ },
		"another candidate":   func(w *Word) { w.Record.LeaderID = "stranger" },
		"another write":       func(w *Word) { w.Record.Sequence, w.Record.Nonce = 1, "other" },
		"a resigned record":   func(w *Word) { w.Record = resigned(w.Record) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, withPeers)
			s.read(shows("e1", version(3, 1)))
			record, since, _ := s.m.Seen()
			w := word(3, 2)
			change(w)
			asked := s.now.Mono
			s.reply(w, nil)
			now, sinceNow, _ := s.m.Seen()
			assert.Equal(t, record, now)
			assert.Equal(t, since, sinceNow)
			_, err := s.m.Heard()
			require.Error(t, err)
			require.NotNil(t, s.m.Call(), "the storage is read at once")
			s.answer(shows("e1", version(3, 1)))
			s.asked()
			assert.GreaterOrEqual(t, s.now.Mono-asked, 5*time.Second, "and nobody is asked before the next interval")
		})
	}
}

func TestWordWithoutAVersionCountsForNothing(t *testing.T) {
	for name, change := range map[string]func(*Word){
		"no ETag":     func(w *Word) { w.ETag = "" },
		"no nonce":    func(w *Word) { w.Record.Nonce = "" },
		"no session":  func(w *Word) { w.Record.Session = "" },
		"no sequence": func(w *Word) { w.Record.Sequence = 0 },
		"plain":       func(w *Word) { w.ETag, w.Record.Nonce, w.Record.Session, w.Record.Sequence, w.Poll = "", "", "", 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, withPeers)
			s.read(shows("e1", version(3, 1)))
			_, since, _ := s.m.Seen()
			w := word(3, 2)
			change(w)
			s.reply(w, nil)
			_, sinceNow, _ := s.m.Seen()
			assert.Equal(t, since, sinceNow)
			last, err := s.m.Heard()
			require.NoError(t, err)
			assert.Zero(t, last)
			assert.False(t, s.m.heard())
		})
	}
}

func TestPeersThatDoNotKnowTheLongPollAreAskedOncePerInterval(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e1", foreign(3, 1)))
	for range 3 {
		asked := s.now.Mono
		s.asked()
		w := word(3, 1)
		w.ETag, w.Record.Session, w.Record.Sequence, w.Poll = "", "", 0, 0
		s.reply(w, nil)
		s.until(leaseTime, "the next question", func() bool {
			if s.m.Call() != nil {
				s.answer(shows("e1", foreign(3, 1)))
			}
			return s.m.Question() != nil
		})
		assert.Empty(t, s.m.Question().Session)
		assert.GreaterOrEqual(t, s.now.Mono-asked, 5*time.Second)
	}
}

func TestOlderWordDoesNotUndoWhatTheStorageHasShown(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e3", version(3, 3)))
	_, since, _ := s.m.Seen()
	s.reply(word(3, 2), nil)
	record, sinceNow, _ := s.m.Seen()
	assert.Equal(t, version(3, 3), record)
	assert.Equal(t, since, sinceNow)
	assert.EqualValues(t, 3, s.asked().After)
}

func TestReadThatLeftBeforeTheWordDoesNotUndoIt(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	s.until(4*leaseTime, "a read", func() bool {
		if s.now.Mono >= s.wake && s.m.Call() == nil {
			return false
		}
		if s.m.Call() == nil && s.m.Question() != nil && s.wake > s.now.Mono+time.Second {
			n = s.renew(3, n)
		}
		return s.m.Call() != nil
	})
	s.reply(word(3, n+1), nil)
	_, since, _ := s.m.Seen()
	s.answer(shows(etag(n), version(3, n)))
	record, sinceNow, _ := s.m.Seen()
	assert.Equal(t, n+1, record.Sequence)
	assert.Equal(t, since, sinceNow)
}

func TestLeaderThatFallsSilentMakesForAReadAtOnce(t *testing.T) {
	for name, err := range map[string]error{"broken connection": errSilent, "no longer the leader": ErrNotLeading} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, withPeers)
			n := s.follow()
			require.Nil(t, s.m.Call())
			s.reply(nil, err)
			require.NotNil(t, s.m.Call())
			s.answer(shows(etag(n), version(3, n)))
			asked := s.now.Mono
			s.until(leaseTime, "the next question", func() bool { return s.m.Question() != nil })
			assert.GreaterOrEqual(t, s.now.Mono-asked, 5*time.Second-20*time.Millisecond)
		})
	}
}

func TestReadThatLeftBeforeTheLeaderFellSilentIsFollowedByAnother(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	s.m.nextRead = s.now.Mono
	s.step()
	require.NotNil(t, s.m.Call())
	s.reply(nil, ErrNotLeading)
	s.answer(shows(etag(n), version(3, n)))
	s.until(200*time.Millisecond, "another read: the first one may show what was before the resignation", func() bool { return s.m.Call() != nil })
	s.answer(shows("gone", resigned(version(3, n+1))))
	s.read(shows("gone", resigned(version(3, n+1))))
	s.write("gone", done("mine"))
}

// The leader dies with a renewal on its way, which lands just after the connection has broken.
func TestWriteThatLandsJustAfterTheLeaderFellSilentIsSeenSoon(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	s.reply(nil, errSilent)
	require.NotNil(t, s.m.Call())
	s.answer(shows(etag(n), version(3, n)))
	s.until(200*time.Millisecond, "another read", func() bool { return s.m.Call() != nil })
	s.answer(shows(etag(n+1), version(3, n+1)))
	record, since, _ := s.m.Seen()
	assert.Equal(t, n+1, record.Sequence)
	assert.Equal(t, s.now, since)
	s.pass(time.Second)
	assert.Nil(t, s.m.Call(), "two reads are enough")
}

func TestLeaderThatNeverAnsweredMakesForNoReads(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e1", version(3, 1)))
	s.reply(nil, errSilent)
	assert.Nil(t, s.m.Call())
	_, err := s.m.Heard()
	assert.ErrorIs(t, err, errSilent)
}

func TestSilentQuestionEndsAfterThePollAndThePeerTimeout(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	asked, q := s.now.Mono, s.asked()
	s.until(poll+peerTimeout, "the end of the question", func() bool { return s.m.Question() != q })
	assert.Equal(t, poll+peerTimeout, s.now.Mono-asked)
	require.NotNil(t, s.m.Call(), "the storage is read")
	s.answer(shows(etag(n), version(3, n)))
	plain := s.asked()
	asked = s.now.Mono
	s.until(leaseTime, "the end of the question", func() bool {
		if s.m.Call() != nil {
			s.answer(shows("e9", version(3, 9)))
		}
		return s.m.Question() != plain
	})
	assert.Empty(t, plain.Session)
	assert.LessOrEqual(t, s.now.Mono-asked, peerTimeout+20*time.Millisecond)
}

func TestPeerThatAnswersAtOnceIsAskedNoMoreThanFourTimesAnInterval(t *testing.T) {
	for name, next := range map[string]func(n int64) *Word{
		"with news":    func(n int64) *Word { return word(3, n) },
		"without news": func(int64) *Word { return word(3, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, withPeers)
			s.read(shows("e1", version(3, 1)))
			begun := s.now.Mono
			asked := 0
			for n := int64(1); s.now.Mono-begun < 20*time.Second; n++ {
				s.until(leaseTime, "a question", func() bool {
					if s.m.Call() != nil {
						s.answer(shows("e1", version(3, 1)))
					}
					return s.m.Question() != nil || s.now.Mono-begun >= 20*time.Second
				})
				if s.m.Question() == nil {
					break
				}
				asked++
				s.reply(next(n), nil)
			}
			assert.LessOrEqual(t, asked, 5*maxQuestions)
		})
	}
}

func TestFollowerThatHearsTheLeaderReadsEveryThirdLease(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	var reads []time.Duration
	for range 60 {
		next := s.now.Mono + 5*time.Second
		for s.now.Mono < next {
			if s.m.Call() != nil {
				reads = append(reads, s.m.Call().sent.Mono)
				s.answer(shows(etag(n), version(3, n)))
				continue
			}
			s.to(min(next, max(s.wake, s.now.Mono+1)))
		}
		s.reply(word(3, n+1), nil)
		n++
	}
	require.Len(t, reads, 6)
	for i := 1; i < len(reads); i++ {
		assert.LessOrEqual(t, reads[i]-reads[i-1], 3*leaseTime)
		assert.GreaterOrEqual(t, reads[i]-reads[i-1], 3*leaseTime*98/100)
	}
}

func TestUnsettledLeadershipIsReadFrequentlyWhateverThePeerSays(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e1", version(3, 1)))
	s.reply(word(3, 1), nil)
	reads, begun := 0, s.now.Mono
	for n := int64(1); s.now.Mono-begun < 2*leaseTime-5*time.Second; {
		before := s.m.nextRead
		n = s.renew(3, n)
		if s.m.nextRead != before {
			reads++
		}
	}
	assert.GreaterOrEqual(t, reads, 4)
}

// A peer that is lost, or lies, tells of ever newer versions, and the storage stands still.
func TestStorageThatStandsStillRefutesThePeer(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	first := s.now.Mono
	shown := n
	for callRecord(s) == nil {
		require.Less(t, s.now.Mono-first, 3*leaseTime+leaseTime, "a lying peer puts the claim off for ever")
		switch {
		case s.m.Call() != nil:
			s.answer(shows(etag(shown), version(3, shown)))
		case s.m.Question() != nil:
			n++
			w := word(3, n)
			w.ETag = "invented"
			s.reply(w, nil)
		default:
			s.to(max(s.wake, s.now.Mono+1))
		}
	}
	s.write(etag(shown), done("mine"))
}

// liar lets a peer lie every interval while the storage stands still, and returns after how long the
// claim is made. A read takes the latency.
func liar(t *testing.T, s *script, interval, latency, limit time.Duration, lie func(seen Record) *Word, shown Answer) time.Duration {
	t.Helper()
	first := s.now.Mono
	var answerAt time.Duration
	for callRecord(s) == nil {
		if s.now.Mono-first > limit {
			return -1
		}
		if s.m.Call() == nil {
			answerAt = 0
		} else if answerAt == 0 {
			answerAt = s.now.Mono + latency
		}
		next := max(s.wake, s.now.Mono+1)
		if q := s.m.Question(); q != nil {
			if s.now.Mono >= q.sent+interval {
				s.m.Reply(s.now, lie(s.m.seen.record), nil)
				s.step()
				continue
			}
			next = min(next, q.sent+interval)
		}
		if s.m.Call() != nil {
			if s.now.Mono >= answerAt {
				s.m.Answer(s.now, shown)
				s.step()
				answerAt = 0
				continue
			}
			next = min(next, answerAt)
		}
		s.to(next)
	}
	return s.now.Mono - first
}

func TestLeaseOfAPeersWordIsForgottenOnceTheStorageHasShownItsVersion(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow() + 1
	w := word(3, n)
	w.Record.Lease = MaxLease
	s.reply(w, nil)
	s.reply(nil, ErrNotLeading) // the storage is read
	s.read(shows(etag(n), version(3, n)))
	s.read(absent())
	gone := s.now.Mono
	for callRecord(s) == nil {
		require.Less(t, s.now.Mono-gone, 2*leaseTime)
		switch {
		case s.m.Call() != nil:
			s.answer(absent())
		default:
			s.to(max(s.wake, s.now.Mono+1))
		}
	}
}

// The peer names the very version that stands in the storage, under an ever higher sequence.
func TestVersionOnTheStorageUnderAHigherSequencePutsNoClaimOff(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	took := liar(t, s, time.Second, 20*time.Millisecond, 20*leaseTime, func(seen Record) *Word {
		w := word(3, n)
		w.Record.Sequence = seen.Sequence + 1
		return w
	}, shows(etag(n), version(3, n)))
	require.Positive(t, took, "the claim is put off for ever")
	require.Less(t, took, 5*leaseTime)
}

// The peer answers during each read, so that each read left before its last word.
func TestWordsDuringEachReadDoNotHideThatTheStorageStandsStill(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	k := n
	took := liar(t, s, 1250*time.Millisecond, 1300*time.Millisecond, 20*leaseTime, func(Record) *Word {
		k++
		w := word(3, k)
		w.ETag = "invented"
		return w
	}, shows(etag(n), version(3, n)))
	require.Positive(t, took, "the claim is put off for ever")
	require.Less(t, took, 5*leaseTime)
}

// A proxy that cuts every long poll off.
func TestLongPollsThatAreAlwaysCutOffCostHardlyMoreReadsThanNoPeers(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	plain, polls, reads, flips := 0, 0, 0, 0
	var last error
	begun := s.now.Mono
	next := begun + 5*time.Second
	for s.now.Mono-begun < 10*time.Minute {
		if s.now.Mono >= next {
			next += 5 * time.Second
			n++
		}
		rec := version(3, n)
		rec.Nonce = foreign(3, int(n)).Nonce
		switch {
		case s.m.Call() != nil:
			reads++
			s.answer(shows("e"+rec.Nonce, rec))
		case s.m.Question() != nil && s.m.Question().Session == "":
			plain++
			s.reply(&Word{Record: rec, ETag: "e" + rec.Nonce, Poll: poll, Followers: 1}, nil)
		case s.m.Question() != nil && s.now.Mono >= s.m.Question().sent+time.Second:
			polls++
			s.reply(nil, errSilent)
		case s.m.Question() != nil:
			s.to(min(next, s.m.Question().sent+time.Second, max(s.wake, s.now.Mono+1)))
		default:
			s.to(min(next, max(s.wake, s.now.Mono+1)))
		}
		_, err := s.m.Heard()
		if (err == nil) != (last == nil) {
			flips++
		}
		last = err
	}
	assert.Less(t, reads, 60, "a follower without peer mode reads 40 times")
	assert.Less(t, polls, 20)
	assert.Greater(t, plain, 90)
	assert.Less(t, flips, 40)
}

func TestStrangerThatStaysCostsNoReadPerQuestion(t *testing.T) {
	s := newScript(t, withPeers)
	n := s.follow()
	reads := 0
	for begun := s.now.Mono; s.now.Mono-begun < 10*time.Minute; {
		switch {
		case s.m.Call() != nil:
			reads++
			n++
			r := version(3, n)
			s.answer(shows("e"+r.Nonce, r))
		case s.m.Question() != nil:
			w := word(3, n)
			w.Record.Session = "former"
			s.reply(w, nil)
		default:
			s.to(max(s.wake, s.now.Mono+1))
		}
	}
	assert.Less(t, reads, 60)
}

func TestLeaderAsksNobody(t *testing.T) {
	s := newScript(t, withPeers)
	s.lead()
	s.jump(time.Second)
	assert.Nil(t, s.m.Question())
}

func TestNeitherOneselfNorAnAddresslessLeaderIsAsked(t *testing.T) {
	for name, addr := range map[string]string{"oneself": "me:1", "no address": ""} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, withPeers)
			r := version(3, 1)
			r.LeaderAddr = addr
			s.read(shows("e1", r))
			s.jump(time.Second)
			assert.Nil(t, s.m.Question())
		})
	}
}

func TestQuestionIsDroppedWhenAnotherLeads(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e1", version(3, 1)))
	q := s.asked()
	s.until(2*leaseTime, "a read", func() bool { return s.m.Call() != nil })
	next := version(4, 1)
	next.LeaderAddr, next.Session = "third:1", "new"
	s.answer(shows("x", next))
	require.NotNil(t, s.m.Question())
	assert.NotSame(t, q, s.m.Question())
	assert.Equal(t, "third:1", s.m.Question().Addr)
}

func TestPeerModeCanBeTurnedOnAndOff(t *testing.T) {
	s := newScript(t)
	s.read(shows("e1", version(3, 1)))
	cfg := s.m.cfg
	withPeers(&cfg)
	s.m.Reconfigure(s.now, cfg)
	s.step()
	s.asked()
	s.m.Reconfigure(s.now, Config{ID: cfg.ID, Addr: cfg.Addr, Lease: cfg.Lease, Frequent: cfg.Frequent, Infrequent: cfg.Infrequent})
	s.step()
	assert.Nil(t, s.m.Question())
}

func TestPeerModeThatIsTurnedOnPutsNoReadOffThatIsDue(t *testing.T) {
	s := newScript(t)
	s.read(shows("e1", version(3, 1)))
	for n := int64(2); s.now.Mono-s.m.seen.termSince < 3*leaseTime; n++ {
		s.read(shows(etag(n), version(3, n)))
	}
	due := s.m.nextRead
	cfg := s.m.cfg
	withPeers(&cfg)
	s.m.Reconfigure(s.now, cfg)
	s.step()
	s.reply(word(3, 9), nil)
	require.True(t, s.m.settled(s.now))
	assert.LessOrEqual(t, s.m.nextRead, due)
}

func TestCrowdSpreadsItsClaims(t *testing.T) {
	s := newScript(t, withPeers)
	s.read(shows("e1", version(3, 1)))
	narrow := s.m.claimSpread()
	w := word(3, 2)
	w.Followers = 100
	s.reply(w, nil)
	assert.Greater(t, s.m.claimSpread(), 2*narrow)
	w = word(3, 3)
	w.Followers = math.MaxInt
	s.reply(w, nil)
	assert.LessOrEqual(t, s.m.claimSpread(), leaseTime/10, "whatever the peer says")
}

func TestEveryWriteOfASessionHasTheNextSequence(t *testing.T) {
	s := newScript(t)
	assert.EqualValues(t, 1, s.lead().Sequence)
	assert.EqualValues(t, 2, s.write("e1", failed()).Sequence)
	s.read(shows("e1", s.m.own.record))
	assert.EqualValues(t, 3, s.write("e1", done("e2")).Sequence)
}
