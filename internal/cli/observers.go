package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-6dc909bb/s3lect"
)

// lookout looks at the members of an election without being one: with an elector that is never
// started.
type lookout struct {
	elector *s3lect.S3Elector
	lease   time.Duration
	first   time.Time // when the first look was over
	last    time.Time // when the last look began
}

// roll is the list of members as one look or more have shown it. Its JSON form is part of the
// command's interface.
type roll struct {
	Observers []member `json:"observers,omitempty"`
	// ObserversError says why there are none to show.
	ObserversError string `json:"observersError,omitempty"`
	settled        bool   // one look was not all
}

// member is one of them.
type member struct {
	s3lect.Observer
	// AgeMillis is for how long it has been silent; absent where that is not known yet.
	AgeMillis *int64 `json:"ageMillis,omitempty"`
}

func newLookout(storage s3lect.Storage, key string, lease time.Duration) (*lookout, error) {
	config := &s3lect.ElectorConfig{
		LockfilePath: key, ServerID: "s3lect-status-" + randomName(), ServerAddr: "localhost:" + placeholderPort,
		LeaderTimeout: min(max(lease, minLease), s3lect.MaxLeaderTimeout),
	}
	elector, err := s3lect.NewS3Elector(s3lect.S3ElectorOptions{Config: config, Storage: storage, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return &lookout{elector: elector, lease: config.LeaderTimeout}, nil
}

// minLease is the shortest that is counted by: a record can say anything, and a look takes its time,
// of which it has a fifth of the lease.
const minLease = time.Second

// look shows the members as they are known now. What goes wrong is in the result.
func (l *lookout) look(ctx context.Context) roll {
	began, again := time.Now(), !l.first.IsZero()
	l.last = began
	observers, err := l.elector.Observers(ctx)
	now := time.Now()
	if !again {
		l.first = now
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "list observers: ")
		return roll{ObserversError: strings.ReplaceAll(text, "\n", "; ")}
	}
	r := roll{}
	for _, o := range observers {
		m := member{Observer: o}
		// A first look finds a name on the list: when it was last heard of, only a second one shows.
		if again || o.LastHeartbeat.Before(began) {
			age := max(now.Sub(o.LastHeartbeat).Milliseconds(), 0)
			m.AgeMillis = &age
		}
		r.Observers = append(r.Observers, m)
	}
	return r
}

// settled reports whether the last look has told of each member whether it is alive: it was heard of
// since the first look, or was silent for a lease.
func (l *lookout) settled(r *roll) bool {
	waits := slices.ContainsFunc(r.Observers, func(m member) bool { return m.Active && !m.LastHeartbeat.After(l.first) })
	r.settled = !waits && r.ObserversError == "" || !l.last.Before(l.first.Add(l.lease))
	return r.settled
}

// pause waits for the time between two looks, but not beyond a lease after the first one.
func (l *lookout) pause(ctx context.Context) error {
	left := time.Until(l.first.Add(l.lease))
	return pause(ctx, max(min(left, l.lease/20), time.Millisecond))
}

// lines tell the members to people, name and state.
func (r *roll) lines(w io.Writer) {
	if r.ObserversError != "" {
		fmt.Fprintf(w, "observers\tunknown: %s\n", r.ObserversError)
	}
	if len(r.Observers) == 0 {
		return
	}
	active := 0
	for _, m := range r.Observers {
		if m.Active {
			active++
		}
	}
	caveat := ""
	if !r.settled {
		caveat = ", as far as one look can tell (see --wait)"
	}
	fmt.Fprintf(w, "observers\t%d, %d of them active%s\n", len(r.Observers), active, caveat)
	for _, m := range r.Observers {
		fmt.Fprintf(w, "  %s\t%s\n", plain(m.ID), m.describe())
	}
}

func (m member) describe() string {
	text, heard := "active", ", last heard of %v ago"
	if !m.Active { // it may have been silent before anybody looked
		text, heard = "inactive", ", not heard of for %v"
	}
	if m.AgeMillis != nil {
		text += fmt.Sprintf(heard, time.Duration(*m.AgeMillis)*time.Millisecond)
	}
	separator := ": "
	for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
		text += separator + plain(key) + "=" + plain(m.Metadata[key])
		separator = ", "
	}
	return text
}
