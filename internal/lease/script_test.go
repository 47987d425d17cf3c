package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const leaseTime = 15 * time.Second

// script drives a machine by hand: it moves the clocks and answers the calls.
type script struct {
	t      *testing.T
	m      *Machine
	now    Instant
	wake   time.Duration
	events []Event
}

func newScript(t *testing.T, change ...func(*Config)) *script {
	t.Helper()
	cfg := Config{ID: "me", Addr: "me:1", Lease: leaseTime, Frequent: 5 * time.Second, Infrequent: 30 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	random := rand.New(rand.NewPCG(1, 2))
	s := &script{t: t, m: New(cfg, random.Uint64), now: Instant{Mono: time.Hour, Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()}}
	s.m.Start(s.now)
	s.step()
	return s
}

func (s *script) step() {
	s.t.Helper()
	s.wake = s.m.Step(s.now)
	s.events = append(s.events, s.m.Events()...)
}

// pass moves both clocks on, stopping wherever the machine wants to be asked, until d has passed or
// a call is wanted.
func (s *script) pass(d time.Duration) {
	s.t.Helper()
	end := s.now.Mono + d
	for s.now.Mono < end && s.m.Call() == nil {
		s.to(min(end, max(s.wake, s.now.Mono+1)))
	}
}

// jump moves both clocks on at once, as when the process was frozen.
func (s *script) jump(d time.Duration) {
	s.now = s.now.Add(d)
	s.step()
}

func (s *script) to(mono time.Duration) {
	s.now = s.now.Add(mono - s.now.Mono)
	s.step()
}

// read expects that a read is wanted, within a lease, and answers it.
func (s *script) read(a Answer) {
	s.t.Helper()
	s.pass(leaseTime + time.Second)
	require.NotNil(s.t, s.m.Call(), "a read is wanted")
	require.Nil(s.t, s.m.Call().Record, "a read is wanted, not a write")
	s.answer(a)
}

// readTwice answers two reads alike: an ETag counts only when two reads agree on it.
func (s *script) readTwice(a Answer) {
	s.t.Helper()
	s.read(a)
	s.read(a)
}

// write expects that a write over the ETag is wanted, and answers it. It returns what was written.
func (s *script) write(etag string, a Answer) Record {
	s.t.Helper()
	s.pass(leaseTime + time.Second)
	require.NotNil(s.t, s.m.Call(), "a write is wanted")
	require.NotNil(s.t, s.m.Call().Record, "a write is wanted, not a read")
	require.Equal(s.t, etag, s.m.Call().ETag)
	written := *s.m.Call().Record
	s.answer(a)
	return written
}

func (s *script) answer(a Answer) {
	s.now = s.now.Add(20 * time.Millisecond)
	s.m.Answer(s.now, a)
	s.step()
}

// took returns the events since the last time.
func (s *script) took(kind EventKind) []Event {
	var found, rest []Event
	for _, e := range s.events {
		if e.Kind == kind {
			found = append(found, e)
		} else {
			rest = append(rest, e)
		}
	}
	s.events = rest
	return found
}

func (s *script) leads() bool {
	_, until, ok := s.m.Trust()
	return ok && s.now.Before(until)
}

// lead brings the machine to leadership of term 1, with ETag "e1".
func (s *script) lead() Record {
	s.t.Helper()
	s.read(absent())
	s.read(absent())
	r := s.write("", done("e1"))
	require.True(s.t, s.leads())
	return r
}

var errStorage = errors.New("storage says no")

func absent() Answer          { return Answer{Kind: Absent} }
func done(etag string) Answer { return Answer{Kind: OK, ETag: etag} }
func failed() Answer          { return Answer{Kind: Failed, Err: errStorage} }
func refused() Answer         { return Answer{Kind: Refused, Err: errStorage} }
func throttled() Answer       { return Answer{Kind: Throttled, Err: errStorage} }
func bad() Answer             { return Answer{Kind: Bad, Err: errStorage} }
func shows(etag string, r Record) Answer {
	return Answer{Kind: OK, ETag: etag, Record: &r}
}

// foreign is the record of another candidate, in its n-th version.
func foreign(term int64, n int) Record {
	return Record{
		LeaderID: "other", LeaderAddr: "other:1", LastUpdated: time.Unix(int64(n), 0), Term: term,
		Session: "theirs", Nonce: fmt.Sprintf("n%d", n), Lease: leaseTime,
	}
}

func resigned(r Record) Record {
	r.LastUpdated = time.Time{}
	return r
}
