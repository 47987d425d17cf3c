package roundscheck

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/rounds"
)

var (
	a = rounds.Candidate{ID: "a", Address: "10.0.0.1"}
	b = rounds.Candidate{ID: "b", Address: "10.0.0.2"}
	c = rounds.Candidate{ID: "c", Address: "10.0.0.3"}
	x = rounds.Candidate{Address: "10.0.1.1"} // anonymous
	y = rounds.Candidate{Address: "10.0.1.2"}
)

// script writes a history by hand.
type script struct{ History }

// did is a call that nothing else overlaps.
func (s *script) did(o Operation, by rounds.Candidate, out Output) *script {
	s.begin(o, by).End(out)
	return s
}

func (s *script) begin(o Operation, by rounds.Candidate) *Call {
	return s.Begin(0, "billing/1", o, by)
}

func shows(a Answer, elected, completed rounds.Candidate) Output {
	var version int64
	for _, c := range []rounds.Candidate{elected, completed} {
		if c != nobody {
			version++
		}
	}
	return Output{a, &Seen{ID: elected.ID, Address: elected.Address}, &Seen{ID: completed.ID, Address: completed.Address}, &version}
}

func address(c rounds.Candidate) *Seen { return &Seen{Address: c.Address, AddressOnly: true} }

func only(a Answer) Output { return Output{Answer: a} }

func TestRightHistoriesAreAccepted(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(*script){
		"nothing happens": func(s *script) {
			s.did(Elected, nobody, shows(Told, nobody, nobody)).did(Completed, nobody, shows(Told, nobody, nobody))
		},
		"a life": func(s *script) {
			s.did(Elect, a, shows(Won, a, nobody)).did(Elect, b, shows(Lost, a, nobody)).did(Elect, a, shows(Won, a, nobody)).
				did(Complete, b, only(NotElected)).did(Complete, a, shows(Recorded, a, a)).did(Complete, a, shows(Recorded, a, a)).
				did(Completed, nobody, shows(Told, a, a)).did(Elect, b, shows(Lost, a, a))
		},
		"a retry from another address": func(s *script) {
			s.did(Elect, a, shows(Won, a, nobody)).did(Elect, rounds.Candidate{ID: "a", Address: "10.9.9.9"}, shows(Won, a, nobody))
		},
		"bare answers": func(s *script) {
			s.did(Elect, a, only(Won)).did(Elect, b, only(Lost)).did(Elected, nobody, Output{Answer: Told, Elected: address(a)}).
				did(Complete, b, only(Refused)).did(Complete, a, only(Recorded)).did(Completed, nobody, Output{Answer: Told, Completed: address(a)})
		},
		"a completion without an election": func(s *script) {
			s.did(Complete, x, shows(Recorded, nobody, x)).did(Complete, y, only(AlreadyCompleted)).did(Complete, x, shows(Recorded, nobody, x)).
				did(Elect, a, shows(Won, a, x)).did(Complete, a, only(AlreadyCompleted)).did(Complete, x, shows(Recorded, a, x))
		},
		"an anonymous round is completed by another": func(s *script) {
			s.did(Elect, x, shows(Won, x, nobody)).did(Complete, y, shows(Recorded, x, y)).did(Complete, x, only(AlreadyCompleted)).did(Complete, a, only(NotElected))
		},
		"an unknown election takes effect late": func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elected, nobody, shows(Told, nobody, nobody)).did(Elect, b, shows(Lost, a, nobody)).did(Elect, a, shows(Won, a, nobody))
		},
		"an unknown election takes effect never": func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elect, b, shows(Won, b, nobody)).did(Elect, a, shows(Lost, b, nobody))
		},
		"a call that never ends takes effect, seen only by what others lose": func(s *script) {
			s.begin(Elect, a)
			s.did(Elect, b, only(Lost)).did(Elect, c, only(Lost))
		},
		"an unknown completion takes effect after its election, which is unknown too": func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Complete, a, only(Unknown)).did(Elected, nobody, shows(Told, nobody, nobody)).did(Completed, nobody, shows(Told, a, a))
		},
		"an anonymous election that nobody was told of is taken over": func(s *script) {
			s.did(Elect, x, only(Unknown)).did(Elect, x, shows(Won, x, nobody)).did(Elect, x, shows(Lost, x, nobody))
		},
		"of two anonymous elections that nobody was told of the second took effect": func(s *script) {
			s.did(Elect, x, only(Unknown)).did(Elect, y, only(Unknown)).did(Elect, b, only(Lost)).did(Elect, y, only(Won))
		},
		"another anonymous one behind the address loses": func(s *script) {
			s.did(Elect, x, shows(Won, x, nobody)).did(Elect, x, shows(Lost, x, nobody))
		},
		"calls at the same time, in the order that fits": func(s *script) {
			first, second, look := s.begin(Elect, a), s.begin(Elect, b), s.begin(Elected, nobody)
			first.End(shows(Lost, b, nobody))
			look.End(shows(Told, nobody, nobody))
			second.End(shows(Won, b, nobody))
		},
		"an election is read back after its completion by another": func(s *script) {
			first := s.begin(Elect, x)
			s.did(Complete, y, shows(Recorded, x, y))
			first.End(shows(Won, x, y))
		},
		"a completion is read back after the election by another": func(s *script) {
			first := s.begin(Complete, x)
			s.did(Elect, a, shows(Won, a, x))
			first.End(shows(Recorded, a, x))
		},
		"rounds do not matter to each other": func(s *script) {
			s.Begin(0, "billing/1", Elect, a).End(shows(Won, a, nobody))
			s.Begin(1, "billing/2", Elect, b).End(shows(Won, b, nobody))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s script
			write(&s)
			assert.NoError(t, s.Check())
		})
	}
}

func TestWrongHistoriesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		expect error
		write  func(*script)
	}{
		"two winners": {ErrTwoWinners, func(s *script) {
			s.did(Elect, a, only(Won)).did(Elect, b, only(Won))
		}},
		"two winners at the same time": {ErrTwoWinners, func(s *script) {
			first, second := s.begin(Elect, a), s.begin(Elect, b)
			first.End(only(Won))
			second.End(only(Won))
		}},
		"two anonymous winners behind one address": {ErrTwoWinners, func(s *script) {
			s.did(Elect, x, only(Won)).did(Elect, x, only(Won))
		}},
		"a winner after another one was shown": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elected, nobody, shows(Told, a, nobody)).did(Elect, b, only(Won))
		}},
		"a loser and no winner": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Lost))
		}},
		"a loser who is shown as the winner": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elect, a, shows(Lost, a, nobody))
		}},
		"a winner who loses when it asks again": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Elect, a, only(Lost))
		}},
		"a stale look at who is elected": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Elected, nobody, shows(Told, nobody, nobody))
		}},
		"a stale look after another look": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elected, nobody, shows(Told, a, nobody)).did(Elected, nobody, shows(Told, nobody, nobody))
		}},
		"a stale look by address": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Elected, nobody, Output{Answer: Told, Elected: &Seen{AddressOnly: true}})
		}},
		"a wrong address": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Elected, nobody, Output{Answer: Told, Elected: address(b)})
		}},
		"an elected one who never asked": {ErrNotLinearizable, func(s *script) {
			s.did(Elected, nobody, shows(Told, a, nobody))
		}},
		"a winner who is shown nobody": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, shows(Won, nobody, nobody))
		}},
		"a loser who is shown nobody": {ErrNotLinearizable, func(s *script) {
			first := s.begin(Elect, b)
			s.did(Elect, a, only(Won))
			first.End(shows(Lost, nobody, nobody))
		}},
		"a completer who is shown nobody": {ErrNotLinearizable, func(s *script) {
			s.did(Complete, x, shows(Recorded, nobody, nobody))
		}},
		"a winner who is shown a completion to come": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, x, shows(Won, x, y)).did(Complete, y, only(Recorded))
		}},
		"a look into the future": {ErrNotLinearizable, func(s *script) {
			s.did(Elected, nobody, shows(Told, a, nobody)).did(Elect, a, only(Won))
		}},
		"an unknown election in its own past": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, b, only(Lost)).did(Elect, a, only(Unknown))
		}},
		"a completion that vanishes": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, a, only(Recorded)).did(Completed, nobody, shows(Told, a, nobody))
		}},
		"a completion that vanishes from a bare answer": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, a, only(Recorded)).did(Completed, nobody, Output{Answer: Told, Completed: &Seen{AddressOnly: true}})
		}},
		"the completer is told that it may not": {ErrNotLinearizable, func(s *script) {
			s.did(Complete, x, only(Recorded)).did(Elect, a, only(Won)).did(Complete, x, only(NotElected))
		}},
		"a completion that another one replaces": {ErrNotLinearizable, func(s *script) {
			s.did(Complete, x, only(Recorded)).did(Complete, y, only(Recorded))
		}},
		"a completion that takes the election with it": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, x, only(Won)).did(Complete, x, only(Recorded)).did(Elected, nobody, shows(Told, nobody, x))
		}},
		"a completion by one who was not elected": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, b, only(Recorded))
		}},
		"a completion without an election, by name": {ErrNotLinearizable, func(s *script) {
			s.did(Complete, a, only(Recorded))
		}},
		"an anonymous completion of a round won by name": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, x, only(Recorded))
		}},
		"the elected one is told that it is not": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, a, only(NotElected))
		}},
		"the completer is told that another one has": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, a, only(Recorded)).did(Complete, a, only(AlreadyCompleted))
		}},
		"a refusal without a reason to": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Won)).did(Complete, a, only(Refused))
		}},
		"an anonymous election is taken over from another address": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, x, only(Unknown)).did(Elected, nobody, shows(Told, x, nobody)).did(Elect, y, only(Won))
		}},
		"a loser among others, where nobody else can have won": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Unknown)).did(Elect, b, only(Lost)).did(Elect, a, only(Lost)).did(Elect, b, only(Lost))
		}},
		"an elected one without its name, among answers that never show one": {ErrNotLinearizable, func(s *script) {
			bare := Output{Answer: Told, Elected: address(a)}
			s.did(Elect, a, only(Won)).did(Elected, nobody, bare).did(Elected, nobody, Output{Answer: Told, Elected: &Seen{Address: a.Address}}).did(Elected, nobody, bare)
		}},
		"a wrong version": {ErrNotLinearizable, func(s *script) {
			out, seven := shows(Won, a, nobody), int64(7)
			out.Version = &seven
			s.did(Elect, a, out)
		}},
		"an answer to another question": {ErrNotLinearizable, func(s *script) {
			s.did(Elect, a, only(Recorded))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s script
			test.write(&s)
			err := s.Check()
			require.ErrorIs(t, err, test.expect)
			require.ErrorIs(t, err, ErrNotLinearizable, "the checker knows that there is one winner, too")
			assert.ErrorContains(t, err, "round billing/1")
			assert.ErrorContains(t, err, "#0 [1, ")
		})
	}
}

// TestHistoriesOfAnAtomicRoundAreAcceptedAndWrongAnswersInThemAreNot: clients race for a round under
// one lock, and some answers are lost. No order of events may be refused. If the last look, after
// everything, tells something else than what is so, that must be.
func TestHistoriesOfAnAtomicRoundAreAcceptedAndWrongAnswersInThemAreNot(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		h, final := raceForAtomicRound(seed)
		require.NoError(t, h.Check(), "seed %d", seed)

		wrong := shows(Told, final.elected, final.completed)
		if final.elected == nobody {
			wrong.Elected = &Seen{ID: "stranger"}
		} else {
			wrong.Elected = &Seen{}
		}
		h.Begin(0, "billing/1", Elected, nobody).End(wrong)
		require.ErrorIs(t, h.Check(), ErrNotLinearizable, "seed %d", seed)
	}
}

func raceForAtomicRound(seed uint64) (*History, round) {
	var (
		h    History
		mu   sync.Mutex
		now  round
		lots sync.WaitGroup
	)
	for client, by := range []rounds.Candidate{a, b, c, x, y, x} {
		random := rand.New(rand.NewPCG(seed, uint64(client)))
		lots.Go(func() {
			for range 6 {
				call := h.Begin(client, "billing/1", Operation(random.IntN(4)), by)
				mu.Lock()
				out := truth(&now, call)
				mu.Unlock()
				if random.IntN(4) > 0 {
					call.End(out)
				}
			}
		})
	}
	lots.Wait()
	// What was never told still has its effect.
	h.Begin(0, "billing/1", Elected, nobody).End(shows(Told, now.elected, now.completed))
	return &h, now
}

// truth performs a call and tells what is so. It finds the right answer by trying all.
func truth(now *round, call *Call) Output {
	for _, answer := range []Answer{Lost, Won, Recorded, NotElected, AlreadyCompleted, Told} {
		if after, right := now.step(call, only(answer)); right {
			after.untold = false // for then nobody else may win by what nobody was told of
			*now = after
			return shows(answer, after.elected, after.completed)
		}
	}
	panic(fmt.Sprintf("nothing is right for %v in %v", call, now))
}

// TestWhatIsLeftOutMakesNoDifference compares with what the checker says of all calls as they are, in
// histories of which many are wrong.
func TestWhatIsLeftOutMakesNoDifference(t *testing.T) {
	t.Parallel()
	var accepted, refused int
	for seed := range uint64(8000) {
		h := randomHistory(rand.New(rand.NewPCG(seed, 7)))
		calls := h.byRound()["billing/1"]
		expected := porcupine.CheckOperations(model, asTheyAre(calls))
		require.Equal(t, expected, linearize(calls) == nil, "seed %d:\n%s", seed, list(calls))
		if expected {
			accepted++
		} else {
			refused++
		}
	}
	assert.Greater(t, accepted, 500)
	assert.Greater(t, refused, 500)
}

// randomHistory is of calls that overlap, with answers that are right, late, stale or made up.
func randomHistory(random *rand.Rand) *History {
	var (
		h    History
		now  round
		past []round
		open = map[*Call]Output{}
	)
	honesty, bareness := random.IntN(12), random.IntN(4)
	for range 4 + random.IntN(12) {
		by := []rounds.Candidate{a, b, x, namesake}[random.IntN(4)]
		call := h.Begin(0, "billing/1", Operation(random.IntN(4)), by)
		past = append(past, now)
		out := truth(&now, call)
		switch random.IntN(2 + honesty) {
		case 0:
			stale := past[random.IntN(len(past))]
			out = truth(&stale, call)
		case 1:
			out.Elected, out.Version = &Seen{ID: by.ID, Address: by.Address}, nil
		}
		switch random.IntN(4) {
		case bareness:
			out = Output{Answer: out.Answer}
		case 1:
			out.Version = nil
		case 2:
			out = Output{Answer: out.Answer, Elected: &Seen{Address: out.Elected.Address, AddressOnly: true}}
		}
		if random.IntN(3) == 0 {
			open[call] = out
		} else {
			call.End(out)
		}
		for call, out := range open {
			if random.IntN(6) == 0 {
				call.End(out)
				delete(open, call)
			}
		}
	}
	return &h // what is open is of unknown outcome
}

// namesake cannot be told from a by its address.
var namesake = rounds.Candidate{Address: a.Address}

// asTheyAre are all calls with all that they show.
func asTheyAre(calls []Call) (operations []porcupine.Operation) {
	for i := range calls {
		c := &calls[i]
		if c.ended == 0 || c.output.Answer == Unknown {
			operations = append(operations, endless(c)...)
			continue
		}
		for _, m := range moments(*c) {
			operations = append(operations, porcupine.Operation{Input: m, Output: m.output, Call: m.began, Return: m.ended})
		}
	}
	return operations
}

// TestCrowdedHistoriesAreJudged: what is left out keeps the checker from trying more than it can.
func TestCrowdedHistoriesAreJudged(t *testing.T) {
	t.Parallel()
	var s script
	s.did(Elect, a, only(Unknown))
	var racing []*Call
	for i := range 20 {
		racing = append(racing, s.begin(Elect, rounds.Candidate{ID: fmt.Sprint("racer-", i)}), s.begin(Completed, nobody))
		s.begin(Elect, rounds.Candidate{ID: fmt.Sprint("lost-", i)})
		s.begin(Complete, rounds.Candidate{Address: fmt.Sprint("lost-", i)})
	}
	for i := range racing {
		racing[i].End([]Output{shows(Lost, a, nobody), shows(Told, a, nobody)}[i%2])
	}
	require.NoError(t, s.Check())
	s.did(Elected, nobody, shows(Told, b, nobody))
	require.ErrorIs(t, s.Check(), ErrNotLinearizable)
}

// TestManyUnknownCallsAreJudged: the checker tries subsets of what may have happened.
func TestManyUnknownCallsAreJudged(t *testing.T) {
	t.Parallel()
	var s script
	for range 300 {
		for _, by := range []rounds.Candidate{a, b, c, x, y} {
			s.did(Elect, by, only(Unknown)).did(Complete, by, only(Unknown))
		}
	}
	s.did(Elect, rounds.Candidate{ID: "z"}, only(Won))
	require.NoError(t, s.Check())
	s.did(Elect, b, only(Won))
	require.ErrorIs(t, s.Check(), ErrTwoWinners)
}

func TestAnswersOfTheLibraryAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	won := rounds.Event{ID: "a", Address: "10.0.0.1", At: time.Now()}
	state := rounds.State{Version: 1, Elected: &won}
	one := int64(1)
	assert.Equal(t, Output{Won, &Seen{ID: "a", Address: "10.0.0.1"}, &Seen{}, &one}, OfElect(true, state, nil))
	assert.Equal(t, Output{Lost, &Seen{ID: "a", Address: "10.0.0.1"}, &Seen{}, &one}, OfElect(false, state, nil))
	assert.Equal(t, Told, OfLook(state, nil).Answer)
	assert.Equal(t, Recorded, OfComplete(state, nil).Answer)
	for _, err := range []error{rounds.ErrUndecided, errors.New("no storage"), rounds.ErrIdentifier} {
		assert.Equal(t, Output{}, OfElect(true, state, err))
		assert.Equal(t, Output{}, OfLook(state, err))
		assert.Equal(t, Output{}, OfComplete(state, err))
	}
	refused := OfComplete(rounds.State{}, fmt.Errorf("complete: %w", &rounds.NotElectedError{Elected: &won}))
	assert.Equal(t, Output{Answer: NotElected, Elected: &Seen{ID: "a", Address: "10.0.0.1"}}, refused)
	late := OfComplete(rounds.State{}, fmt.Errorf("complete: %w", &rounds.AlreadyCompletedError{Completed: won}))
	assert.Equal(t, Output{Answer: AlreadyCompleted, Completed: &Seen{ID: "a", Address: "10.0.0.1"}}, late)
}
