package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	s3lect "github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/lease"
)

// errDead is what a dead process gets: its requests leave nowhere.
var errDead = errors.New("process is dead")

// link is one process's way to the store: latency, faults, and the borders at which a held process
// stops. It is a plain s3lect.Storage.
type link struct {
	w       *world
	p       *process
	latency [2]time.Duration

	mu        sync.Mutex
	partition partition
	mute      partition // the same for the list of observers alone
}

// etagLink is a link that also reports the ETag of what it wrote.
type etagLink struct{ *link }

// attempt is one conditional write on its way.
type attempt struct {
	p       *process
	key     string
	data    []byte
	etag    string
	record  *record
	roster  *roster
	entered time.Time     // true time at which the elector called
	sent    lease.Instant // the same on its own clocks
	etagNow string        // of the version that it made
	read    time.Time     // of a list of observers: when its writer last began to read it
}

// version is what the attempt makes of the object if it takes effect.
func (a *attempt) version() version {
	return version{data: a.data, etag: etagOf(a.data), record: a.record, roster: a.roster, at: time.Now()}
}

// answer is what comes back.
type answer struct {
	version version
	err     error
}

func (l *link) cut(p partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partition = p
}

// silence is cut for the requests to the list of observers alone.
func (l *link) silence(p partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = p
}

func (l *link) Get(ctx context.Context, key string) ([]byte, string, error) {
	o := objectOf(key)
	l.w.monitor.requestEntered(l.p, o)
	l.w.monitor.readEntered(l.p, o)
	v, err := l.do(ctx, key, o.request("GET"), false, false, func(f fate) answer { return l.w.read(key, f) })
	if err != nil {
		return nil, "", err
	}
	return v.data, v.etag, nil
}

func (l *link) PutIfMatch(ctx context.Context, key string, data []byte, etag string) error {
	_, err := l.put(ctx, key, data, etag)
	return err
}

func (l *etagLink) PutIfMatchETag(ctx context.Context, key string, data []byte, etag string) (string, error) {
	return l.put(ctx, key, data, etag)
}

func (l *link) put(ctx context.Context, key string, data []byte, etag string) (string, error) {
	next, o := versionOf(key, append([]byte{}, data...)), objectOf(key)
	a := &attempt{p: l.p, key: key, data: next.data, etag: etag, record: next.record, roster: next.roster,
		entered: time.Now(), sent: l.p.host.now()}
	l.w.monitor.requestEntered(l.p, o)
	l.w.monitor.writeEntered(a)
	what := o.request("PUT")
	if a.record != nil {
		what = fmt.Sprintf("PUT term %d %s%s", a.record.Term, a.record.Nonce, map[bool]string{true: " (resignation)"}[a.record.resigned()])
	}
	creates := etag == "" && o == leaderRecord
	v, err := l.do(ctx, key, what, true, creates, func(f fate) answer { return l.w.write(a, f) })
	if err != nil {
		return "", err
	}
	return v.etag, nil
}

// do sends one request to the storage and waits for its answer as long as ctx, the fate and the
// state of the process allow.
func (l *link) do(ctx context.Context, key, what string, write, creates bool, serve func(fate) answer) (version, error) {
	o := objectOf(key)
	defer l.w.monitor.requestLeft(l.p, o)
	l.mu.Lock()
	p := l.partition
	if p == connected && o == rosterObject {
		p = l.mute
	}
	l.mu.Unlock()
	w := l.w.weatherNow()
	// The fate depends on the moment and the request alone, so that the order in which requests of
	// one instant come in does not matter when a seed replays.
	random := l.w.dice(fmt.Sprint(l.p.name, l.w.elapsed(), what))
	f := w.draw(random, l.latency[0], l.latency[1], p, write, creates)

	if creates {
		l.w.creating(1)
	}
	l.freeze(f.freezeFirst)
	l.p.host.wait()
	if l.p.host.isDead() {
		if creates {
			l.w.creating(-1)
		}
		return version{}, errDead
	}
	if trouble := f.String(); trouble != "" || write && o == leaderRecord {
		l.w.trace.add(l.p.name, "%s%s", what, trouble)
	}

	entered := time.Now()
	answered := make(chan answer, 1)
	l.w.requests.Go(func() {
		l.travel(f, serve, answered)
		if creates {
			l.w.creating(-1)
		}
	})
	a := l.await(ctx, f, entered, answered)

	l.freeze(f.freezeLast)
	l.p.host.wait()
	if l.p.host.isDead() {
		return version{}, errDead
	}
	if a.err != nil {
		l.w.trace.add(l.p.name, "%s -> %v", what, a.err)
	}
	sure := ctx.Err() == nil && !l.p.host.heldDuring(entered)
	if o == rosterObject {
		l.w.monitor.rosterAnswered(l.p, key, write, a, sure)
		return a.version, a.err
	}
	if ctx.Value(inspectionKey{}) != nil {
		return a.version, a.err
	}
	l.w.monitor.storageAnswered(l.p, write, a, sure)
	if answered := a.err == nil && sure; answered || errors.Is(a.err, s3lect.ErrStorageNotFound) {
		// Otherwise the elector may have given the request up in this very instant. That there is no
		// object counts as shown in any case, for it can take that for a vacant leadership.
		l.w.monitor.saw(l.p, a.version.record)
	}
	l.w.poke()
	return a.version, a.err
}

// freeze holds the process for d, from this moment on.
func (l *link) freeze(d time.Duration) {
	if d <= 0 || l.p.host.isDead() {
		return
	}
	l.w.trace.add(l.p.name, "frozen at the border for %v", d)
	l.p.host.freeze()
	l.w.requests.Go(func() {
		l.w.calmOr(d)
		l.p.host.thaw()
		l.w.trace.add(l.p.name, "thawed")
	})
}

// travel is the request's way to the storage and back, whatever its sender does meanwhile.
func (l *link) travel(f fate, serve func(fate) answer, answered chan<- answer) {
	time.Sleep(f.there)
	if f.vanishes {
		return
	}
	if f.refused != nil {
		time.Sleep(f.back)
		answered <- answer{err: f.refused}
		return
	}
	if f.late > 0 {
		answered <- answer{err: f.replaced}
		l.w.calmOr(f.late)
		serve(f)
		return
	}
	a := serve(f)
	time.Sleep(f.back)
	if f.replaced != nil {
		a = answer{err: f.replaced}
	}
	if !f.unheard {
		answered <- a
	}
}

// await waits for the answer or the end of ctx. A deaf call ignores ctx for a while.
func (l *link) await(ctx context.Context, f fate, entered time.Time, answered <-chan answer) answer {
	limit := time.NewTimer(l.w.monitor.attemptLimit(l.p))
	defer limit.Stop()
	for {
		select {
		case a := <-answered:
			return a
		case <-l.p.host.died:
			return answer{err: errDead}
		case <-ctx.Done():
			if left := f.deaf - time.Since(entered); left > 0 {
				l.w.calmOr(left)
			}
			return answer{err: fmt.Errorf("request: %w", context.Cause(ctx))}
		case <-limit.C:
			l.w.monitor.attemptUnbounded(l.p, entered)
			limit.Reset(time.Hour)
		}
	}
}

// read is the storage's side of a read.
func (w *world) read(key string, f fate) answer {
	first := w.store.get(key)
	if f.stale > 0 {
		first = w.store.getStale(key, f.stale)
	}
	v := first
	if f.torn {
		time.Sleep(f.serving)
		later := w.store.look(key)
		if first.exists() && later.exists() {
			if f.tornBody {
				v.data, v.record, v.roster = later.data, later.record, later.roster
			} else {
				v.etag = later.etag
			}
			if first.etag != later.etag {
				w.trace.add("store", "torn read of %s", key)
			}
		}
	}
	if !v.exists() {
		return answer{err: fmt.Errorf("get %s: %w", key, s3lect.ErrStorageNotFound)}
	}
	return answer{version: v}
}

// write is the storage's side of a conditional write.
func (w *world) write(a *attempt, f fate) answer {
	etag, ok := w.store.putIfMatch(a)
	if ok && f.duplicated {
		etag, ok = w.store.putIfMatch(a)
	}
	if !ok {
		return answer{err: fmt.Errorf("put %s: %w", a.key, s3lect.ErrStoragePrecondition)}
	}
	v := a.version()
	v.etag = etag
	return answer{version: v}
}
