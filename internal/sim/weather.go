package sim

import (
	"errors"
	"fmt"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
)

// weather is what happens to requests of every process, by chance. The probabilities are for each
// request; durations are upper bounds.
type weather struct {
	errors     float64 // refused before they take effect
	lostReply  float64 // take effect, answered with an error
	lateWrite  float64 // answered with an error, take effect later
	late       time.Duration
	hang       float64       // heard of again only when the caller gives up
	deaf       time.Duration // a hanging call ignores its context for up to this long
	slow       float64
	slowness   time.Duration
	torn       float64
	stale      float64
	staleness  time.Duration
	conflict   float64 // 409, before or after taking effect
	throttle   float64 // 429, before or after taking effect
	duplicated float64 // the first copy lands, the second one's answer is 412
	freeze     float64 // the process is frozen just before the request leaves, or just after its answer came
	frozen     time.Duration
}

// partition is what stands between one process and the storage for a while.
type partition int

const (
	connected      partition = iota
	refusing                 // every request fails at once
	hanging                  // requests vanish
	hangingReplies           // requests arrive, answers vanish
	refusedReplies           // requests arrive, the connection breaks before the answer
)

func (p partition) String() string {
	return [...]string{"connected", "refusing", "hanging", "hanging replies", "refused replies"}[p]
}

// fate is what happens to one request. It is drawn as a whole when the request leaves.
type fate struct {
	there, back time.Duration // latency
	serving     time.Duration // between a read's two looks at the object
	vanishes    bool          // the request does not arrive
	unheard     bool          // the answer does not arrive
	deaf        time.Duration
	refused     error // answered instead of taking effect
	replaced    error // answered although it took effect
	late        time.Duration
	duplicated  bool
	tornBody    bool // a read's body is of the later look; otherwise its ETag is
	torn        bool
	stale       time.Duration
	freezeFirst time.Duration // before it leaves
	freezeLast  time.Duration // after the answer has come
}

// String names what is out of the ordinary.
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
	add(f.duplicated, "duplicated")
	add(f.torn, "torn")
	add(f.stale > 0, "stale=%v", f.stale)
	add(f.freezeFirst > 0, "freeze-before-leaving=%v", f.freezeFirst)
	add(f.freezeLast > 0, "freeze-after-answer=%v", f.freezeLast)
	add(f.there+f.back+f.serving > time.Second, "slow=%v", f.there+f.back+f.serving)
	return s
}

var (
	errUnreachable = errors.New("dial tcp: connection refused")
	errReset       = errors.New("read tcp: connection reset by peer")
	errInternal    = errors.New("500 InternalError: we encountered an internal error")
	errConflict    = errors.New("409 ConditionalRequestConflict: a conflicting operation is in progress")
)

// draw decides a request's fate. Every decision is drawn, whether its fault is on or off.
func (w weather) draw(d *dice, latencyLo, latencyHi time.Duration, p partition, write, creates bool) fate {
	total := d.between(latencyLo, latencyHi)
	f := fate{there: time.Duration(d.fraction() * float64(total))}
	f.back = total - f.there
	if v := d.between(0, w.slowness); d.chance(w.slow) {
		f.there += time.Duration(d.fraction() * float64(v))
		f.back += v / 2
	}
	f.drawFailure(d, w, write, creates)
	if !write {
		f.drawRead(d, w)
	}
	if v, first := d.between(0, w.frozen), d.chance(0.5); d.chance(w.freeze) {
		if first {
			f.freezeFirst = v
		} else {
			f.freezeLast = v
		}
	}
	deaf := d.between(0, w.deaf)
	if d.chance(w.hang) {
		f.vanishes, f.deaf = true, deaf
	}
	switch p {
	case refusing:
		f.refused = errUnreachable
	case hanging:
		f.vanishes, f.deaf = true, deaf
	case hangingReplies:
		f.unheard, f.deaf = true, deaf
	case refusedReplies:
		f.replaced = errReset
	}
	return f
}

func (f *fate) drawFailure(d *dice, w weather, write, creates bool) {
	after, late := d.chance(0.5), d.between(0, w.late)
	if d.chance(w.errors) {
		f.refused = errInternal
	}
	if d.chance(w.lostReply) {
		f.replaced = errReset
	}
	if d.chance(w.lateWrite) && write && !creates {
		f.replaced, f.late = errReset, late
	}
	if d.chance(w.conflict) && write {
		f.answer(after, errConflict)
	}
	if d.chance(w.throttle) {
		f.answer(after && write, fmt.Errorf("503 SlowDown: %w", s3lect.ErrStorageThrottled))
	}
	if d.chance(w.duplicated) && write {
		f.duplicated = true
	}
}

func (f *fate) answer(after bool, err error) {
	if after {
		f.replaced = err
	} else {
		f.refused = err
	}
}

func (f *fate) drawRead(d *dice, w weather) {
	serving, body := d.between(0, 400*time.Millisecond), d.chance(0.5)
	if d.chance(w.torn) {
		f.torn, f.tornBody, f.serving = true, body, serving
	}
	if v := d.between(0, w.staleness); d.chance(w.stale) && !f.torn {
		f.stale = v // a torn read is of two versions that follow each other during the read
	}
}
