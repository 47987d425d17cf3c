package roundsim

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/env"
	"github.com/seed-6dc909bb/s3lect/internal/roundscheck"
	"github.com/seed-6dc909bb/s3lect/rounds"
)

// Service is what is judged: *rounds.Rounds, or something that ought to fail.
type Service interface {
	Elect(ctx context.Context, system, round string, c rounds.Candidate) (won bool, state rounds.State, err error)
	Elected(ctx context.Context, system, round string) (rounds.State, error)
	Complete(ctx context.Context, system, round string, c rounds.Candidate) (rounds.State, error)
	Completed(ctx context.Context, system, round string) (rounds.State, error)
}

// Options are a run.
type Options struct {
	Seed    uint64
	Weather Weather
	Only    []string  // kinds of violations that count; all if empty
	Live    io.Writer // where the story is told as it happens; nil for nowhere
	// New makes a service; nil for rounds.New. The storage has other capabilities for other seeds.
	New func(storage s3lect.Storage, env *env.Env) (Service, error)
}

// Report is what came of a run.
type Report struct {
	Seed       uint64
	Violations []Violation
	Calls      int
	Requests   int
	Winners    map[string][]string
	trace      *trace
}

// Failed reports whether something was not as promised.
func (r *Report) Failed() bool { return len(r.Violations) > 0 }

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d violations\n%s", r.Seed, len(r.Violations), r.trace.tail(400))
	for _, v := range r.Violations {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

// prefix is where the rounds are, which is the library's default.
const (
	prefix = "rounds/"
	system = "billing"
)

func keyOf(round string) string { return prefix + system + "/" + round + ".json" }

// foreign is an object that is no round's.
var foreign = []byte("this is no round")

// world is everything in one run.
type world struct {
	o        Options
	began    time.Time
	trace    *trace
	store    *store
	history  *roundscheck.History
	monitor  *monitor
	sites    []*site
	clients  []*client
	rounds   []string
	calm     chan struct{} // closed when the trouble ends
	requests underWay

	mu      sync.Mutex
	weather Weather
}

// Run runs one seed, inside a bubble of testing/synctest.
func Run(o Options) *Report {
	if o.New == nil {
		o.New = func(storage s3lect.Storage, env *env.Env) (Service, error) {
			return rounds.New(storage, rounds.Options{Env: env})
		}
	}
	w := &world{o: o, began: time.Now(), store: newStore(), history: &roundscheck.History{}, calm: make(chan struct{}), weather: o.Weather}
	w.trace = &trace{start: w.began, live: o.Live}
	w.monitor = newMonitor(w)
	w.build()
	w.store.committed = w.monitor.committed
	w.storm()
	w.settle()
	if err := w.history.Check(); err != nil {
		w.monitor.judgeHistory(err)
	}
	return &Report{
		Seed: o.Seed, Violations: w.monitor.violations, Calls: w.history.Len(), Requests: w.monitor.requests,
		Winners: w.history.Winners(), trace: w.trace,
	}
}

func (w *world) dice(purpose string) dice { return newDice(w.o.Seed, purpose) }

func (w *world) weatherNow() Weather {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weather
}

// calmOr waits until the trouble has ended, at most for d.
func (w *world) calmOr(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.calm:
	case <-timer.C:
	}
}

// build draws servers, clients and rounds.
func (w *world) build() {
	d := w.dice("world")
	for i := range 1 + d.IntN(3) {
		s := &site{w: w, number: i, storage: d.IntN(4)}
		s.replace()
		w.sites = append(w.sites, s)
	}
	for i := range 1 + d.IntN(3) {
		w.rounds = append(w.rounds, fmt.Sprintf("2026-11-0%dT08:00", i+1))
	}
	if d.chance(0.2) {
		key := keyOf(w.rounds[len(w.rounds)-1])
		w.store.confirm(key, w.store.put(key, foreign, "", nil))
	}
	names := 1 + d.IntN(4) // fewer than clients: a program may ask twice at the same time
	anonymity := pick(d, []float64{0, 0.3, 0.3, 1})
	for i := range 2 + d.IntN(6) {
		by := rounds.Candidate{ID: fmt.Sprintf("worker-%d", d.IntN(names)), Address: fmt.Sprintf("10.0.0.%d", i)}
		if address := fmt.Sprintf("10.0.1.%d", d.IntN(2)); d.chance(anonymity) {
			by = rounds.Candidate{Address: address}
		}
		w.clients = append(w.clients, &client{w: w, number: i, by: by, dice: w.dice(fmt.Sprint("client ", i))})
	}
}

// storm lets everybody loose for a while, and everything on them.
func (w *world) storm() {
	ctx, end := context.WithTimeout(context.Background(), w.dice("storm").between(5*time.Second, 30*time.Second))
	defer end()
	var everybody sync.WaitGroup
	for _, c := range w.clients {
		everybody.Go(func() { c.live(ctx) })
	}
	var trouble sync.WaitGroup
	for _, s := range w.sites {
		if w.o.Weather.cuts {
			trouble.Go(func() { s.beCutOff(ctx) })
		}
		if w.o.Weather.restarts {
			trouble.Go(func() { s.beReplaced(ctx) })
		}
	}
	trouble.Wait()
	<-ctx.Done()
	w.mu.Lock()
	w.weather = Weather{}
	w.mu.Unlock()
	w.trace.add("-", "the trouble ends")
	close(w.calm)
	everybody.Wait()
	w.requests.wait() // late ones land now
	w.trace.add("-", "calm")
}

// settle has everybody ask for everything once more, everywhere, and demands answers.
func (w *world) settle() {
	d := w.dice("calm")
	w.monitor.demandAnswers()
	for _, operation := range []roundscheck.Operation{
		roundscheck.Elected, roundscheck.Elect, roundscheck.Elected, roundscheck.Complete, roundscheck.Completed, roundscheck.Elect,
	} {
		type question struct {
			c     *client
			s     *site
			round string
		}
		var questions []question
		for _, round := range w.rounds {
			for _, s := range w.sites {
				for _, c := range w.clients {
					questions = append(questions, question{c, s, round})
				}
			}
		}
		d.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
		if operation == roundscheck.Elected || operation == roundscheck.Completed {
			questions = slices.CompactFunc(questions, func(a, b question) bool { return a.round == b.round })
		}
		for _, q := range questions {
			q.c.ask(context.Background(), q.s, operation, q.round)
		}
	}
	w.requests.wait()
	w.monitor.judgeWinners()
}
