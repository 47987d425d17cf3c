package roundsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// Weather is what happens to requests by chance. The probabilities are for each request; durations
// are upper bounds.
type Weather struct {
	Name string

	refused   float64 // answered with an error instead of taking effect
	lostReply float64 // take effect, answered with an error
	lateWrite float64 // answered with an error, take effect later
	late      time.Duration
	hang      float64 // never heard of, with or without an effect
	deaf      float64 // as hang, on a call that does not heed its context for a while
	deafness  time.Duration
	slow      float64
	slowness  time.Duration
	torn      float64
	stale     float64
	throttle  float64 // told to slow down, with or without an effect
	resent    float64 // the first copy takes effect, the second one's answer is heard: it is refused
	cuts      bool    // servers are cut off from the storage for a while
	restarts  bool    // servers are replaced by others that remember nothing
}

// Weathers are one for each kind of fault, and at the end everything at once.
func Weathers() []Weather {
	return []Weather{
		{Name: "calm"},
		{Name: "errors", refused: 0.3},
		{Name: "lost-replies", lostReply: 0.4},
		{Name: "late-writes", lateWrite: 0.4, late: 20 * time.Second},
		{Name: "hangs", hang: 0.3},
		{Name: "deaf", deaf: 0.3, deafness: 10 * time.Second},
		{Name: "slow", slow: 0.5, slowness: 5 * time.Second},
		{Name: "torn-reads", torn: 0.8, slow: 0.3, slowness: 200 * time.Millisecond},
		{Name: "stale-reads", stale: 0.5, lostReply: 0.3},
		{Name: "throttling", throttle: 0.5},
		{Name: "resent-writes", resent: 0.6},
		{Name: "cuts", cuts: true},
		{Name: "restarts", restarts: true, lostReply: 0.2, hang: 0.1},
		{Name: "mixed", refused: 0.08, lostReply: 0.1, lateWrite: 0.1, late: 20 * time.Second, hang: 0.05, deaf: 0.03, deafness: 10 * time.Second, slow: 0.1, slowness: 5 * time.Second,
			torn: 0.2, throttle: 0.05, resent: 0.05, cuts: true, restarts: true},
		{Name: "mixed-stale", refused: 0.08, lostReply: 0.1, lateWrite: 0.1, late: 20 * time.Second, hang: 0.05, deaf: 0.03, deafness: 10 * time.Second, slow: 0.1, slowness: 5 * time.Second,
			torn: 0.2, stale: 0.3, throttle: 0.05, resent: 0.05, cuts: true, restarts: true},
	}
}

// cut is what stands between one server and the storage for a while.
type cut int

const (
	uncut    cut = iota
	refusing     // every request fails at once
	silent       // requests vanish
	deafened     // requests arrive, answers vanish
	breaking     // requests arrive, the connection breaks before the answer
)

func (c cut) String() string {
	return [...]string{"uncut", "refusing", "silent", "deafened", "breaking"}[c]
}

// fate is what happens to one request, drawn as a whole when it leaves.
type fate struct {
	there, back time.Duration
	serving     time.Duration // between a read's two looks at the object
	vanishes    bool          // the request does not arrive
	unheard     bool          // the answer does not arrive
	deaf        time.Duration // for which the call does not heed its context
	refused     error         // answered instead of taking effect
	replaced    error         // answered although it took effect
	late        time.Duration
	resent      bool
	torn        bool
	newBytes    bool    // a torn read has the bytes of the later look; otherwise its ETag
	stale       float64 // how far back to look, from 0 to 1
}

func (f fate) String() string {
	s := ""
	add := func(on bool, format string, args ...any) {
		if on {
			s += " " + fmt.Sprintf(format, args...)
		}
	}
	add(f.vanishes, "vanishes")
	add(f.unheard, "unheard")
	add(f.deaf > 0, "deaf=%v", f.deaf)
	add(f.refused != nil, "refused=%v", f.refused)
	add(f.replaced != nil, "replaced=%v", f.replaced)
	add(f.late > 0, "late=%v", f.late)
	add(f.resent, "resent")
	add(f.torn, "torn")
	add(f.stale > 0, "stale=%.2f", f.stale)
	return s
}

var (
	errUnreachable = errors.New("dial tcp: connection refused")
	errReset       = errors.New("read tcp: connection reset by peer")
	errInternal    = errors.New("500 InternalError: we encountered an internal error")
)

// draw decides a request's fate. Every decision is drawn, whether its fault is on or off.
func (w Weather) draw(d dice, c cut, write bool) fate {
	f := fate{there: d.between(time.Millisecond, 20*time.Millisecond), back: d.between(time.Millisecond, 20*time.Millisecond)}
	if v, share := d.between(0, w.slowness), d.Float64(); d.chance(w.slow) {
		f.there += time.Duration(share * float64(v))
		f.back += time.Duration((1 - share) * float64(v))
	}
	takesEffect := d.chance(0.5)
	if d.chance(w.refused) {
		f.refused = errInternal
	}
	if d.chance(w.lostReply) {
		f.replaced = errReset
	}
	if late := d.between(0, w.late); d.chance(w.lateWrite) && write {
		f.replaced, f.late = errReset, late
	}
	if d.chance(w.throttle) {
		err := fmt.Errorf("503 SlowDown: %w", s3lect.ErrStorageThrottled)
		if takesEffect {
			f.replaced = err
		} else {
			f.refused = err
		}
	}
	f.resent = d.chance(w.resent) && write
	serving, newBytes := d.between(0, 400*time.Millisecond), d.chance(0.5)
	if d.chance(w.torn) && !write {
		f.torn, f.newBytes, f.serving = true, newBytes, serving
	}
	if v := d.Float64(); d.chance(w.stale) && !write && !f.torn {
		f.stale = v
	}
	if d.chance(w.hang) {
		f.vanishes, f.unheard = !takesEffect, true
	}
	if v := d.between(0, w.deafness); d.chance(w.deaf) {
		f.vanishes, f.unheard, f.deaf = !takesEffect, true, v
	}
	switch c {
	case uncut:
	case refusing:
		f.refused = errUnreachable
	case silent:
		f.vanishes = true
	case deafened:
		f.unheard = true
	case breaking:
		f.replaced = errReset
	}
	return f
}
