package roundsim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/internal/env"
)

// site is where one server is after another.
type site struct {
	w       *world
	number  int
	storage int // which capabilities the storage has there

	mu      sync.Mutex
	servers int
	current *server
}

// server is one life of a server.
type server struct {
	name    string
	service Service
	link    *link
	ctx     context.Context // of everything it does
	die     context.CancelFunc
}

// replace puts another server in the place of the present one, which goes on with what it does.
func (s *site) replace() (old *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &server{name: fmt.Sprintf("server-%d.%d", s.number, s.servers)}
	next.link = &link{w: s.w, s: next}
	if s.current != nil {
		next.link.set(s.current.link.cutNow())
	}
	next.ctx, next.die = context.WithCancel(context.Background())
	service, err := s.w.o.New(s.capable(next.link), s.w.env(next.name))
	if err != nil {
		panic(err)
	}
	next.service = service
	old, s.current = s.current, next
	s.servers++
	return old
}

func (s *site) capable(l *link) s3lect.Storage {
	switch s.storage {
	case 0:
		return l
	case 1:
		return &etagLink{l}
	case 2:
		return &creatorLink{l}
	default:
		l.heeds = true
		return heedingLink{&creatorLink{l}}
	}
}

func (s *site) now() *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// env is the randomness of a server. It is drawn by the instant and not from one stream: calls that
// time out at once ask for their pauses in an order that is in nobody's hands.
func (w *world) env(name string) *env.Env {
	return &env.Env{Uint64: func() uint64 {
		return w.dice(fmt.Sprintf("pause of %s at %v", name, time.Since(w.began))).Uint64()
	}}
}

// beCutOff cuts the site off from the storage now and then.
func (s *site) beCutOff(ctx context.Context) {
	d := s.w.dice(fmt.Sprint("cuts of ", s.number))
	for ctx.Err() == nil {
		sleep(ctx, d.between(0, 5*time.Second))
		c := cut(1 + d.IntN(int(breaking)))
		s.w.trace.add(s.now().name, "%v", c)
		s.now().link.set(c)
		sleep(ctx, d.between(100*time.Millisecond, 6*time.Second))
		s.w.trace.add(s.now().name, "%v", uncut)
		s.now().link.set(uncut)
	}
}

// beReplaced has the server end, at once or after it has answered, and another one take its place.
func (s *site) beReplaced(ctx context.Context) {
	d := s.w.dice(fmt.Sprint("replacements of ", s.number))
	for {
		sleep(ctx, d.between(0, 8*time.Second))
		if ctx.Err() != nil {
			return
		}
		old := s.replace()
		old.link.set(uncut)
		killed := d.chance(0.5)
		s.w.trace.add(old.name, "replaced by %s; killed: %v", s.now().name, killed)
		if killed {
			old.die()
		}
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
