package sim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// network is what lies between the processes: who answers at an address, and which ways are cut.
type network struct {
	w *world

	mu        sync.Mutex
	serving   []*process              // whose endpoint is open, in the order in which they opened it
	strangers map[string]http.Handler // who answers at an address in place of any process
	silent    map[string]bool         // addresses whose machine has gone without a word
	cuts      map[way]cut
	underWay  map[*question]struct{}
}

// way is a direction between two nodes.
type way struct{ from, to int }

// cut is what stands in a way.
type cut int

const (
	uncut     cut = iota
	breaking      // what is sent breaks the connection
	swallowed     // what is sent is never heard of
)

func (c cut) String() string { return [...]string{"open", "breaking", "swallowed"}[c] }

func newNetwork(w *world) *network {
	return &network{
		w: w, strangers: map[string]http.Handler{}, silent: map[string]bool{},
		cuts: map[way]cut{}, underWay: map[*question]struct{}{},
	}
}

// open lets a process answer at its address.
func (n *network) open(p *process) {
	addr := p.currentConfig().ServerAddr
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.silent, addr)
	n.serving = append(n.serving, p)
}

// shut ends that, in order: what it is still answering it answers.
func (n *network) shut(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.serving = slices.DeleteFunc(n.serving, func(q *process) bool { return q == p })
}

// lose takes a dead process off. If its machine has gone without a word, nothing is ever heard from
// its address; otherwise its connections break and new ones are refused.
func (n *network) lose(p *process, silent bool) {
	n.shut(p)
	addr := p.currentConfig().ServerAddr
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent[addr] = silent
	if silent {
		return
	}
	for q := range n.underWay {
		if q.to == p {
			n.breakLater(q)
		}
	}
}

// replace has a stranger answer at an address.
func (n *network) replace(addr string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.strangers[addr] = h
}

// cut puts something in a way, or clears it.
func (n *network) cut(w way, c cut) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[w] = c
	if c != breaking {
		return
	}
	for q := range n.underWay {
		if q.to != nil && (w == way{q.from.node, q.to.node} || w == way{q.to.node, q.from.node}) {
			n.breakLater(q)
		}
	}
}

func (n *network) state(from, to *process) cut {
	if from == nil || to == nil {
		return uncut
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[way{from.node, to.node}]
}

// breakLater tells the asker of a broken connection as soon as word of it can reach it.
func (n *network) breakLater(q *question) {
	n.w.requests.Go(func() {
		if q.travels(q.fate.back) {
			q.answer(reply{err: errReset})
		}
	})
}

// route finds who answers at an address. Where several processes claim it, any of them does.
func (n *network) route(q *question, addr string) (to *process, stranger http.Handler, silent bool) {
	n.mu.Lock()
	serving := slices.Clone(n.serving)
	stranger, silent = n.strangers[addr], n.silent[addr]
	n.mu.Unlock()
	if stranger != nil {
		return nil, stranger, false
	}
	serving = slices.DeleteFunc(serving, func(p *process) bool { return p.currentConfig().ServerAddr != addr })
	if len(serving) == 0 {
		return nil, nil, silent
	}
	return serving[int(q.fate.which*float64(len(serving)))], nil, false
}

// arrived notes with whom a question has arrived, so that it ends with that one.
func (n *network) arrived(q *question, to *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q.to = to
	if to != nil && !slices.Contains(n.serving, to) && to.host.isDead() && !n.silent[to.currentConfig().ServerAddr] {
		n.breakLater(q) // it has died in this very instant
	}
}

func (n *network) began(q *question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.underWay[q] = struct{}{}
}

func (n *network) ended(q *question) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.underWay, q)
}

// peerWeather is what happens to questions between processes by chance. The probabilities are for
// each question; durations are upper bounds.
type peerWeather struct {
	refused  float64 // the connection cannot be made
	lost     float64 // the question is never heard of
	unheard  float64 // the answer is never heard of
	broken   float64 // the connection breaks while the question waits for its answer
	late     float64 // the answer comes late
	lateness time.Duration
	garbled  float64 // the answer is none
	freeze   float64 // who answers is frozen just before the answer leaves
	frozen   time.Duration
}

// peerFate is what happens to one question, drawn as a whole when it leaves.
type peerFate struct {
	there, back time.Duration
	which       float64 // of several who answer at one address
	refused     bool
	lost        bool
	unheard     bool
	breaksAfter time.Duration
	garbled     int // how, if above 0
	freeze      time.Duration
}

// peerLatency is one way between two processes.
var peerLatency = [2]time.Duration{500 * time.Microsecond, 5 * time.Millisecond}

// draw decides a question's fate. Every decision is drawn, whether its fault is on or off.
func (w peerWeather) draw(d *dice) peerFate {
	f := peerFate{there: d.between(peerLatency[0], peerLatency[1]), back: d.between(peerLatency[0], peerLatency[1]), which: d.fraction()}
	f.refused, f.lost, f.unheard = d.chance(w.refused), d.chance(w.lost), d.chance(w.unheard)
	if v := d.between(time.Millisecond, 6*time.Second); d.chance(w.broken) {
		f.breaksAfter = v
	}
	if v := d.between(0, w.lateness); d.chance(w.late) {
		f.back += v
	}
	if v := 1 + d.below(len(garbage)); d.chance(w.garbled) {
		f.garbled = v
	}
	if v := d.between(0, w.frozen); d.chance(w.freeze) {
		f.freeze = v
	}
	return f
}
