package arena

import (
	"net/http"
	"time"
)

// weather is how likely trouble is for a request: each figure is a probability.
type weather struct {
	errors    float64 // it fails, and was not carried out
	lost      float64 // a write is carried out, and its answer lost
	late      float64 // a write fails, and is carried out later
	slow      float64 // it takes long
	torn      float64 // a read answers the ETag of one version with the body of another
	conflict  float64 // a write is answered with 409
	throttled float64 // it is answered with 503 SlowDown or 429
	longest   time.Duration
}

// fate is what becomes of one request.
type fate struct {
	there, back time.Duration
	lost        bool          // it never arrives
	broken      bool          // the connection breaks on its way
	code        int           // it is answered with this status
	late        time.Duration // the connection breaks, and it is carried out after so long
	unheard     bool          // it is carried out, and nothing is heard
	cutOff      bool          // it is carried out, and the connection breaks
	torn        time.Duration // between reading the ETag and the body
}

func (a *Arena) setWeather(w weather) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.weather = w
}

// calm ends the weather, and nothing else.
func (a *Arena) calm() { a.setWeather(weather{}) }

// draw draws the fate of a request.
func (a *Arena) draw(n *Node, write, hasStatus bool) fate {
	way, _ := n.ways()
	a.mu.Lock()
	defer a.mu.Unlock()
	r, w := a.random, a.weather
	chance := func(p float64) bool { return p > 0 && r.Float64() < p }
	f := fate{}
	f.there, f.back = a.latency(r, write)
	if chance(w.slow) {
		f.there += between(r, 0, w.longest)
		f.back += between(r, 0, w.longest)
	}
	switch {
	case way == breaking:
		f.broken = true
	case way == hanging:
		f.lost = true
	case chance(w.errors):
		if f.broken = r.Float64() < 0.5 || !hasStatus; !f.broken {
			f.code = http.StatusInternalServerError
		}
	case hasStatus && write && chance(w.conflict):
		f.code = http.StatusConflict
	case hasStatus && chance(w.throttled):
		f.code = http.StatusServiceUnavailable
		if r.Float64() < 0.5 {
			f.code = http.StatusTooManyRequests
		}
	case write && chance(w.late):
		f.late = 1 + between(r, 0, w.longest)
	case write && chance(w.lost):
		f.unheard = r.Float64() < 0.5
		f.cutOff = !f.unheard
	case !write && chance(w.torn):
		f.torn = 1 + between(r, 0, 2*time.Second)
	}
	return f
}
