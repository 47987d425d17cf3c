package s3lect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/lease"
	"github.com/seed-6dc909bb/s3lect/internal/roster"
)

const observersSuffix = ".observers"

// ObserversKey returns the key of the object beside a leader record in which observers count their
// heartbeats.
func ObserversKey(lockfilePath string) string { return lockfilePath + observersSuffix }

// Observer is a member of the fleet as an elector knows it.
type Observer struct {
	// ID is its name, the ServerID of an elector that observes by itself.
	ID string `json:"id"`
	// Metadata is what it says about itself.
	Metadata map[string]string `json:"metadata,omitempty"`
	// LastHeartbeat is when its last heartbeat was received, by this machine's wall clock.
	LastHeartbeat time.Time `json:"lastHeartbeat"`
	// Active is whether that is less than LeaderTimeout ago, by this machine's monotonic clock.
	Active bool `json:"active"`
}

// RegisterObserver enters an observer with what it says about itself, or gives it other metadata, and
// counts a heartbeat of it. It needs no leader, and not this elector to be started. The observer
// counts as active for LeaderTimeout; UpdateHeartbeat is to be called several times in that time,
// a third of it is a good interval. One that has not been heard from for ten times LeaderTimeout is
// taken off by others.
//
// An elector with ObserverMetadata does all that by itself, for its own ServerID. This method is for
// others: each call reads and writes the object [ObserversKey] until no one else has written in
// between, or ctx ends. The error is ErrObserversFull if there is no room, and ErrBadRecord if the
// object there is no list of observers.
func (e *S3Elector) RegisterObserver(ctx context.Context, id string, metadata map[string]string) error {
	if err := checkIdentifier("the observer's ID", id); err != nil {
		return err
	}
	if err := roster.CheckMetadata(metadata); err != nil {
		return fmt.Errorf("observer %q: %w", id, err)
	}
	metadata = maps.Clone(metadata)
	return e.changeRoster(ctx, "register", id, func(list *roster.Roster) (bool, error) {
		return true, list.Register(id, metadata)
	})
}

// UpdateHeartbeat counts a heartbeat of an observer that was registered with RegisterObserver. The error
// is ErrObserverNotFound if it is not registered any more.
func (e *S3Elector) UpdateHeartbeat(ctx context.Context, id string) error {
	return e.changeRoster(ctx, "count a heartbeat of", id, func(list *roster.Roster) (bool, error) {
		if !list.Beat(id) {
			return false, ErrObserverNotFound
		}
		return true, nil
	})
}

// UnregisterObserver takes an observer off the list. That it is not on it is no error. An elector that
// observes by itself does this when it stops.
func (e *S3Elector) UnregisterObserver(ctx context.Context, id string) error {
	err := e.changeRoster(ctx, "unregister", id, strike(id))
	if err == nil {
		e.attendance().Leave(id)
	}
	return err
}

func (e *S3Elector) changeRoster(ctx context.Context, what, id string, edit rosterEdit) error {
	keeper := e.keeper(e.current())
	if err := keeper.change(ctx, id, edit); err != nil {
		return fmt.Errorf("%s observer %q: %w", what, id, err)
	}
	return nil
}

// GetActiveObservers returns how many of the Observers are active.
func (e *S3Elector) GetActiveObservers(ctx context.Context) (int, error) {
	observers, err := e.Observers(ctx)
	active := 0
	for i := range observers {
		if observers[i].Active {
			active++
		}
	}
	return active, err
}

// Observers returns everybody of whom heartbeats were received, sorted by ID: by this elector, on the
// storage, or, in peer mode, by the leader, who publishes its list in the leader record. It reads the
// storage, and does not need to be started. One whose heartbeats are seen for the first time counts
// as heard from at that moment, or at the one that the leader names: whoever has just begun to look
// cannot know better, and does after a lease. With an error it returns what is known all the same.
func (e *S3Elector) Observers(ctx context.Context) ([]Observer, error) {
	config := e.current()
	keeper := e.keeper(config)
	listed := keeper.look(ctx)
	published := e.lookAtRecord(ctx, config)
	now, wall := e.env.Now(), time.Now()
	members := keeper.attendance.Members()
	out := make([]Observer, 0, len(members))
	for _, m := range members {
		age := now.Mono - m.Heard
		if config.observes() && m.ID == config.ServerID && e.running() != nil {
			age = 0
		}
		out = append(out, Observer{
			ID: m.ID, Metadata: m.Metadata,
			LastHeartbeat: wall.Add(-age), Active: age < config.LeaderTimeout,
		})
	}
	if err := errors.Join(listed, published); err != nil {
		return out, fmt.Errorf("list observers: %w", err)
	}
	return out, nil
}

// lookAtRecord takes in the list that the leader has published, unless it is this elector's own.
func (e *S3Elector) lookAtRecord(ctx context.Context, config *ElectorConfig) error {
	if e.IsLeader() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, config.LeaderTimeout/5)
	defer cancel()
	record, data, _, err := readPublication(ctx, e.storage, config.LockfilePath)
	switch {
	case errors.Is(err, ErrStorageNotFound):
		return nil
	case err != nil:
		return err
	}
	older := time.Duration(0)
	if record.Resigned() {
		older = config.LeaderTimeout // nobody writes it anew, so it may be of any age
	}
	e.attendance().Told(e.env.Now().Mono, record.Nonce, older, lease.DecodeObservers(data))
	return nil
}

// attendance returns whom this elector has heard from.
func (e *S3Elector) attendance() *roster.Attendance {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.attending == nil {
		e.attending = roster.NewAttendance()
	}
	return e.attending
}
