package roundsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// Kinds of violations.
const (
	TwoWinners  = "two-winners"
	Order       = "order"       // no order of the calls explains all answers
	LostClaim   = "lost-claim"  // the one who has won was told that somebody else is elected
	Overwritten = "overwritten" // the storage has lost what was recorded there
	WrongError  = "wrong-error" // not one of the documented ones
	Indefinite  = "indefinite"  // no answer although nothing is in the way
	Slow        = "slow"        // a call outlives its context, or every patience
	HotLoop     = "hot-loop"    // too many requests for one call
)

// Violation is something that was not as promised.
type Violation struct {
	Kind string
	At   time.Duration
	Text string
}

func (v Violation) String() string {
	return fmt.Sprintf("  %s at %.4fs: %s", v.Kind, v.At.Seconds(), v.Text)
}

const (
	mostRequests = 20
	promptly     = 10 * time.Millisecond // of fake time
	longest      = time.Minute           // of a call whose context does not end
)

// monitor looks at every commit and every answer.
type monitor struct {
	w *world

	mu         sync.Mutex
	violations []Violation
	requests   int
	calm       bool
	electedBy  map[string]*server // who wrote the election of a round
	told       map[string]bool    // rounds of which somebody was told that he has won
	asking     map[asker]int      // anonymous elections under way
}

// asker is whom a server cannot tell apart.
type asker struct {
	server  *server
	round   string
	address string
}

func newMonitor(w *world) *monitor {
	return &monitor{w: w, electedBy: map[string]*server{}, told: map[string]bool{}, asking: map[asker]int{}}
}

func (m *monitor) fail(kind, format string, args ...any) {
	if only := m.w.o.Only; len(only) > 0 && !slices.Contains(only, kind) {
		return
	}
	m.violations = append(m.violations, Violation{kind, time.Since(m.w.began), fmt.Sprintf(format, args...)})
}

func (m *monitor) requested() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
}

// recordOf is the round that an object is; nil if it is none.
func recordOf(v *version) *rounds.State {
	var s rounds.State
	if v == nil || json.Unmarshal(v.data, &s) != nil {
		return nil
	}
	return &s
}

// committed looks at a change of an object.
func (m *monitor) committed(key string, before, after *version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := recordOf(after)
	m.w.trace.add(after.by.name, "has written %s", after.data)
	if now == nil || keyOf(now.Round) != key || now.System != system {
		m.fail(Overwritten, "%s: written is no record of this round: %s", key, after.data)
		return
	}
	past := &rounds.State{}
	if before != nil {
		if past = recordOf(before); past == nil {
			m.fail(Overwritten, "%s: a foreign object was replaced", key)
			return
		}
	}
	if past.Elected == nil && now.Elected != nil {
		m.electedBy[now.Round] = after.by
	}
	if past.Elected != nil && !same(past.Elected, now.Elected) {
		m.fail(Overwritten, "%s: the elected one was %v and is %v", key, past.Elected, now.Elected)
	}
	if past.Completed != nil && !same(past.Completed, now.Completed) {
		m.fail(Overwritten, "%s: who completed was %v and is %v", key, past.Completed, now.Completed)
	}
	if now.Version != past.Version+1 {
		m.fail(Overwritten, "%s: version %d follows version %d", key, now.Version, past.Version)
	}
}

func same(a, b *rounds.Event) bool {
	return a != nil && b != nil && a.ID == b.ID && a.Address == b.Address && a.At.Equal(b.At)
}

// asks looks at a call right before it begins.
func (m *monitor) asks(i *inquiry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i.operation == roundscheck.Elect {
		m.asking[i.asker()]++
	}
}

func (i *inquiry) asker() asker { return asker{i.server, i.round, i.client.by.Address} }

// isTold looks at an answer.
func (m *monitor) isTold(i *inquiry, out roundscheck.Output, err error) {
	v, _ := m.w.store.last(keyOf(i.round)) // not under the lock: the storage reports its changes under its own
	m.mu.Lock()
	defer m.mu.Unlock()
	if i.operation == roundscheck.Elect {
		m.asking[i.asker()]--
		m.told[i.round] = m.told[i.round] || out.Answer == roundscheck.Won
		if out.Answer == roundscheck.Lost && m.hasWon(i, recordOf(v)) {
			m.fail(LostClaim, "%v by %v was told that somebody else has won %s", i, i.client.by, i.round)
		}
	}
	if n := i.requests.Load(); n > mostRequests {
		m.fail(HotLoop, "%v: %d requests for one call", i, n)
	}
	if ended := time.Duration(i.givenUp.Load()); ended > 0 && time.Since(m.w.began)-ended > promptly {
		m.fail(Slow, "%v: answered %v after its context had ended", i, time.Since(m.w.began)-ended)
	}
	if took := time.Since(m.w.began) - i.began; took > longest {
		m.fail(Slow, "%v: answered after %v", i, took)
	}
	m.judgeError(i, v, out, err)
}

// hasWon reports whether it is untrue that somebody else has won. Of several calls by one who cannot be
// told apart, any may have the claim that has won, and the others are told that they have lost. But the
// claim is not lost with them: if nobody was told, one of them is still under way.
func (m *monitor) hasWon(i *inquiry, record *rounds.State) bool {
	by := i.client.by
	switch {
	case record == nil || record.Elected == nil || record.Elected.ID != by.ID:
		return false
	case by.ID != "":
		return true
	}
	return record.Elected.Address == by.Address && m.electedBy[i.round] == i.server &&
		!m.told[i.round] && m.asking[i.asker()] == 0
}

func (m *monitor) judgeError(i *inquiry, v *version, out roundscheck.Output, err error) {
	isForeign := v != nil && bytes.Equal(v.data, foreign)
	var unreadable *rounds.RecordError
	switch {
	case out.Answer != roundscheck.Unknown && isForeign:
		m.fail(Overwritten, "%v: %s was answered with %v, although its object is none of a round", i, i.round, out)
	case out.Answer != roundscheck.Unknown:
	case errors.As(err, &unreadable):
		if !isForeign {
			m.fail(WrongError, "%v: %v", i, err)
		}
	case m.calm:
		m.fail(Indefinite, "%v: %v", i, err)
	case !errors.Is(err, rounds.ErrUndecided):
		m.fail(WrongError, "%v: %v", i, err)
	}
}

// excuse takes from an answer what a read that is allowed to be stale may have missed.
func (m *monitor) excuse(out roundscheck.Output) roundscheck.Output {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calm || m.w.o.Weather.stale == 0 || !misses(out.Elected) && !misses(out.Completed) {
		return out
	}
	switch out.Answer {
	case roundscheck.Won, roundscheck.Lost:
		return roundscheck.Output{Answer: out.Answer, Elected: out.Elected}
	case roundscheck.Recorded:
		return roundscheck.Output{Answer: out.Answer, Completed: out.Completed}
	default:
		return roundscheck.Output{}
	}
}

func misses(s *roundscheck.Seen) bool { return s != nil && *s == roundscheck.Seen{} }

// demandAnswers says that from now on nothing is in the way.
func (m *monitor) demandAnswers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calm = true
}

// judgeWinners demands that the winner of every round was told.
func (m *monitor) judgeWinners() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, round := range m.w.rounds {
		v, _ := m.w.store.last(keyOf(round))
		record := recordOf(v)
		if record == nil || m.told[round] {
			continue
		}
		by := m.electedBy[round]
		forgotten := record.Elected != nil && record.Elected.ID == "" && !slices.ContainsFunc(m.w.sites, func(s *site) bool { return s.now() == by })
		if !forgotten {
			m.fail(LostClaim, "nobody was ever told that he has won %s: %s", round, v.data)
		}
	}
}

func (m *monitor) judgeHistory(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(err, roundscheck.ErrTwoWinners) {
		m.fail(TwoWinners, "%v", err)
	}
	if errors.Is(err, roundscheck.ErrNotLinearizable) || errors.Is(err, roundscheck.ErrUnjudged) {
		m.fail(Order, "%v", err)
	}
}
