package sim

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// mainKey is the election that everybody takes part in; sideKey is where some move for a while.
const (
	mainKey = "jobs/leader.json"
	sideKey = "jobs/other.json"
)

// world is one run: the storage, the processes, the trouble, and the monitor that judges.
type world struct {
	seed         uint64
	profile      *profile
	newCandidate NewCandidate
	logLevel     slog.Level
	start        time.Time
	trace        *trace
	monitor      *monitor
	store        *store
	network      *network
	calm         chan struct{} // closed when the trouble ends
	calmSince    time.Time     // written before calm is closed
	pokes        chan struct{}
	finished     chan struct{} // ends the monitor's ticking
	ticking      sync.WaitGroup
	requests     sync.WaitGroup // on their way, and timed ends of trouble
	burials      sync.WaitGroup // of the dead

	mu           sync.Mutex
	nodes        []*process // the present incarnation; nil while there is none
	incarnations []int
	clocks       []clock // of a node whose process is gone
	lastConfigs  []s3lect.ElectorConfig
	fleet        []int   // nodes on top of the profile's
	weatherOf    weather // at present
	creates      int     // writes on their way that would create the object
}

func newWorld(seed uint64, p *profile, newCandidate NewCandidate, live io.Writer, level slog.Level) *world {
	w := &world{
		seed: seed, profile: p, newCandidate: newCandidate, logLevel: level, start: time.Now(),
		trace: newTrace(live), store: newStore(), calm: make(chan struct{}),
		pokes: make(chan struct{}, 1), finished: make(chan struct{}),
		nodes: make([]*process, p.nodes), incarnations: make([]int, p.nodes), clocks: make([]clock, p.nodes), lastConfigs: make([]s3lect.ElectorConfig, p.nodes),
		weatherOf: p.weather,
	}
	w.monitor, w.network = newMonitor(w), newNetwork(w)
	w.store.committed = w.monitor.committed
	for i := range w.clocks {
		w.clocks[i] = p.drawClock(w.dice(fmt.Sprintf("n%d clock", i)), w.start)
	}
	w.ticking.Go(w.tick)
	return w
}

func (w *world) dice(purpose string) *dice { return newDice(w.seed, purpose) }
func (w *world) elapsed() time.Duration    { return time.Since(w.start) }

// tick lets the monitor look at the cluster after every event and every 100 ms, once everything
// that happens in that instant has happened.
func (w *world) tick() {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-w.pokes:
		case <-ticker.C:
		case <-w.finished:
			return
		}
		time.Sleep(time.Nanosecond)
		w.monitor.check()
	}
}

// poke asks the monitor for a look.
func (w *world) poke() {
	select {
	case w.pokes <- struct{}{}:
	default:
	}
}

// chaos reports whether the trouble is still going on.
func (w *world) chaos() bool {
	select {
	case <-w.calm:
		return false
	default:
		return true
	}
}

// calmOr waits for d, or for the end of the trouble.
func (w *world) calmOr(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.calm:
	}
}

func (w *world) weatherNow() weather {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weatherOf
}

// peerWeatherNow is good once the trouble has ended.
func (w *world) peerWeatherNow() peerWeather {
	if !w.chaos() {
		return peerWeather{}
	}
	return w.profile.peerWeather
}

func (w *world) setWeather(f func(*weather)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.weatherOf)
}

// creating counts the writes on their way that would create the object.
func (w *world) creating(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.creates += n
}

// process returns a node's present incarnation, or nil.
func (w *world) process(node int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[node]
}

// startNode starts the next incarnation of a node that has none. A zero-value config is drawn.
func (w *world) startNode(node int, config s3lect.ElectorConfig) *process {
	w.mu.Lock()
	w.incarnations[node]++
	n, c := w.incarnations[node], w.clocks[node]
	w.lastConfigs[node] = config
	w.mu.Unlock()
	c.rebase(time.Now())
	p := w.newProcess(node, config, c, n)
	w.trace.add(p.name, "starts as %s: timeout %v every %v, else %v; lead %v; rates %d %d; peers %v, old %v; observes %v, quorum %d, grace %v, non-voting %v",
		config.ServerID, config.LeaderTimeout, config.FrequentInterval, config.InfrequentInterval, p.habits.lead, c.monoRate, c.wallRate,
		config.PeerMode, p.habits.oldPeer, observes(config), config.QuorumSize, config.GracePeriod, config.NonVoting)
	w.network.open(p)
	p.start()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[node] = p
	return p
}

// leave takes a node's process out of the list, for its end, and keeps its clocks.
func (w *world) leave(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes[p.node] == p {
		w.nodes[p.node] = nil
		w.clocks[p.node] = p.host.clockState()
	}
}

// running lists the present processes.
func (w *world) running() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*process
	for _, p := range w.nodes {
		if p != nil {
			out = append(out, p)
		}
	}
	return out
}

// close ends everything and waits for it.
func (w *world) close() {
	var ending sync.WaitGroup
	for _, p := range w.running() {
		ending.Go(p.end)
	}
	ending.Wait()
	w.burials.Wait()
	close(w.finished)
	w.ticking.Wait()
	w.requests.Wait()
}
