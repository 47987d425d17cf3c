package sim

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
	"github.com/seed-6dc909bb/s3lect/consensus/storage/memory"
)

var errDisk = errors.New("input/output error")

// Forgetting is what a disk that does not keep its promise loses in a crash, although it had been acknowledged.
type Forgetting int

// What disks forget.
const (
	ForgetsNothing Forgetting = iota
	ForgetsVotes              // every small value: terms and votes
	ForgetsWrites             // what was written in the last moments
)

// lastMoments are as long as a cache that nobody flushes may hold writes back.
const lastMoments = 200 * time.Millisecond

// disk is what of a node survives its crashes. A process opens it, and its writes take time, fail, or wait for as long as the
// disk is held. What was being written in a crash is there up to some operation, or not at all.
type disk struct {
	dice    *dice
	weather Weather
	forgets Forgetting

	mu      sync.Mutex
	platter storage.Storage
	held    chan struct{} // closed when the disk is not held any more; nil if it is not
	failing bool
	undo    []undo
	current *session
}

// undo is a write that a forgetful disk takes back.
type undo struct {
	at     time.Time
	before []storage.Operation
}

// session is a disk in the hands of one process. It implements storage.Storage.
type session struct {
	disk     *disk
	died     chan struct{}
	underway map[*[]storage.Operation]bool // under disk.mu
}

func newDisk(d *dice, weather Weather, forgets Forgetting) *disk {
	return &disk{dice: d, weather: weather, forgets: forgets, platter: memory.New()}
}

// open gives the disk to a new process.
func (d *disk) open() *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = &session{disk: d, died: make(chan struct{}), underway: map[*[]storage.Operation]bool{}}
	return d.current
}

// crash takes the disk away from its process, if it still has it.
func (s *session) crash() {
	d := s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current != s {
		return
	}
	for operations := range s.underway {
		if share := d.dice.part(); d.dice.chance(0.7) {
			_ = d.write((*operations)[:int(share*float64(len(*operations)+1))])
		}
	}
	s.underway = nil
	close(s.died)
	d.current = nil
	d.forget()
}

// forget takes back what the disk had acknowledged, if it is a bad one.
func (d *disk) forget() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		if d.forgets == ForgetsVotes || time.Since(d.undo[i].at) < lastMoments {
			_ = d.platter.Batch(context.Background(), d.undo[i].before)
		}
	}
	d.undo = nil
}

// write changes the platter. The caller holds the lock.
func (d *disk) write(operations []storage.Operation) error {
	if d.forgets == ForgetsWrites || d.forgets == ForgetsVotes && isVote(operations) {
		u := undo{at: time.Now()}
		for _, o := range operations {
			was, err := d.platter.Get(context.Background(), o.Key)
			u.before = append([]storage.Operation{{Key: bytes.Clone(o.Key), Value: was, Delete: err != nil}}, u.before...)
		}
		d.undo = append(d.undo, u)
	}
	return d.platter.Batch(context.Background(), operations)
}

// isVote knows the engine's names of what it keeps beside the log.
func isVote(operations []storage.Operation) bool {
	for _, o := range operations {
		for _, name := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
			if bytes.Contains(o.Key, []byte(name)) {
				return true
			}
		}
	}
	return false
}

// hold has everything that asks the disk wait until release is called.
func (d *disk) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := make(chan struct{})
	d.held = held
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(held)
		if d.held == held {
			d.held = nil
		}
	}
}

// fail has every write from now on fail, or not any more.
func (d *disk) fail(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = on
}

// calm ends slowness by chance.
func (d *disk) calm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.weather = d.weather.calmed()
}

// wait takes the time a write needs.
func (s *session) wait(ctx context.Context) error {
	s.disk.mu.Lock()
	w, held := s.disk.weather, s.disk.held
	s.disk.mu.Unlock()
	d := s.disk.dice.between(20*time.Microsecond, w.sync)
	if slow := s.disk.dice.between(0, w.stall); s.disk.dice.chance(w.stalls) {
		d += slow
	}
	if err := pauseFor(ctx, s, time.After(d)); err != nil {
		return err
	}
	if held != nil {
		return pauseFor(ctx, s, held)
	}
	return nil
}

func pauseFor[T any](ctx context.Context, s *session, until <-chan T) error {
	select {
	case <-until:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.died:
		return storage.ErrClosed
	}
}

func (s *session) Set(ctx context.Context, key, value []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Value: value}})
}

func (s *session) Delete(ctx context.Context, key []byte) error {
	return s.Batch(ctx, []storage.Operation{{Key: key, Delete: true}})
}

func (s *session) Batch(ctx context.Context, operations []storage.Operation) error {
	if !s.begin(&operations) {
		return storage.ErrClosed
	}
	err := s.wait(ctx)
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	delete(s.underway, &operations)
	if err != nil {
		return err
	}
	if s.disk.current != s {
		return storage.ErrClosed
	}
	if s.disk.failing {
		share := s.disk.dice.part()
		_ = s.disk.write(operations[:int(share*float64(len(operations)+1))])
		return errDisk
	}
	return s.disk.write(operations)
}

func (s *session) begin(operations *[]storage.Operation) bool {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.current != s {
		return false
	}
	s.underway[operations] = true
	return true
}

func (s *session) Get(ctx context.Context, key []byte) ([]byte, error) {
	if !s.alive() {
		return nil, storage.ErrClosed
	}
	return s.disk.platter.Get(ctx, key)
}

func (s *session) GetRange(ctx context.Context, r storage.Range) ([]storage.Pair, error) {
	if !s.alive() {
		return nil, storage.ErrClosed
	}
	return s.disk.platter.GetRange(ctx, r)
}

func (s *session) alive() bool {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.current == s
}

// Close gives the disk back, in order.
func (s *session) Close() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.current == s {
		s.disk.current = nil
		close(s.died)
	}
	return nil
}
