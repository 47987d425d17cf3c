// Package roster is the list of those who observe an election: the object on the storage in which they
// count their heartbeats, and what one process makes of whom it has heard from, and when. It does no
// I/O and reads no clock.
package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxSize is the size, in bytes, of the largest object that can be a roster.
	MaxSize = 64 << 10
	// MaxMetadata is the size, in bytes of JSON, of the largest metadata of one observer.
	MaxMetadata = 1 << 10
	// maxRegistered is the size up to which observers are taken in. The rest is for their counters to
	// grow, and in a leader record for what else stands there.
	maxRegistered = 60 << 10
	// maxCount is the highest version, and the highest counter. Above it JSON readers in other languages lose digits (RFC
	// 8259, section 6).
	maxCount = 1<<53 - 2
)

// ErrFull says that the list would become larger than MaxSize.
var ErrFull = errors.New("the list of observers is full")

// Roster is the object on the storage.
type Roster struct {
	// Version counts the writes, so that no two versions have equal bytes.
	Version   int64   `json:"version"`
	Observers []Entry `json:"observers"` // sorted by ID
}

// Entry is one observer.
type Entry struct {
	ID string `json:"id"`
	// Beats counts its heartbeats. Others judge by when they have seen it change.
	Beats    int64             `json:"beats"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// wire is the JSON form. Pointers tell a field that is absent from one that is zero.
type wire struct {
	Version   *int64   `json:"version"`
	Observers *[]Entry `json:"observers"`
}

// Decode reads a roster. The error says, for people, why the bytes are not one.
func Decode(data []byte) (*Roster, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it is over %d bytes long", MaxSize)
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("it is not JSON of the right shape: %w", err)
	}
	switch {
	case w.Version == nil || w.Observers == nil:
		return nil, errors.New("it has no version or no observers")
	case *w.Version < 0 || *w.Version > maxCount:
		return nil, fmt.Errorf("its version %d is not between 0 and %d", *w.Version, int64(maxCount))
	}
	r := &Roster{Version: *w.Version, Observers: *w.Observers}
	slices.SortStableFunc(r.Observers, compare)
	for i, o := range r.Observers {
		switch {
		case o.ID == "":
			return nil, errors.New("it has an observer without ID")
		case o.Beats < 0 || o.Beats > maxCount:
			return nil, fmt.Errorf("its observer %.100q has %d beats, not between 0 and %d", o.ID, o.Beats, int64(maxCount))
		case i > 0 && r.Observers[i-1].ID == o.ID:
			return nil, fmt.Errorf("its observer %.100q is there twice", o.ID)
		}
	}
	return r, nil
}

// Encode returns the roster as JSON, in a new version.
func (r *Roster) Encode() ([]byte, error) {
	if r.Version >= maxCount {
		return nil, fmt.Errorf("the list of observers has reached its last version, %d: remove the object, and it begins anew", r.Version)
	}
	r.Version++
	if r.Observers == nil {
		r.Observers = []Entry{}
	}
	data, err := json.Marshal(r)
	if err == nil && len(data) > MaxSize {
		err = fmt.Errorf("%w: %d bytes are over the limit of %d", ErrFull, len(data), MaxSize)
	}
	return data, err
}

// Find returns the entry of an observer, or nil.
func (r *Roster) Find(id string) *Entry {
	if at, found := r.search(id); found {
		return &r.Observers[at]
	}
	return nil
}

// Register enters an observer, or gives it other metadata, and counts a heartbeat of it. The error is
// ErrFull if there is no room for it; then nothing has changed.
func (r *Roster) Register(id string, metadata map[string]string) error {
	entry := r.Find(id)
	if n := size(id, metadata); entry == nil || n > size(id, entry.Metadata) {
		room := maxRegistered - len(encoded(r)) - n
		if entry != nil {
			room += size(id, entry.Metadata)
		}
		if room < 0 {
			return full(id, len(r.Observers))
		}
	}
	if entry == nil {
		at, _ := r.search(id)
		// The counter of one who comes back must not repeat a number that others remember.
		r.Observers = slices.Insert(r.Observers, at, Entry{ID: id, Beats: r.Version})
		entry = &r.Observers[at]
	}
	entry.Metadata = metadata
	r.beat(entry)
	return nil
}

// Beat counts a heartbeat, and reports whether the observer is registered.
func (r *Roster) Beat(id string) bool {
	entry := r.Find(id)
	if entry != nil {
		r.beat(entry)
	}
	return entry != nil
}

// beat counts one. A counter at its end begins as that of a new entry does, and is judged like one.
func (r *Roster) beat(entry *Entry) {
	if entry.Beats >= maxCount {
		entry.Beats = r.Version
	}
	entry.Beats++
}

// Remove takes an observer off, and reports whether it was registered.
func (r *Roster) Remove(id string) bool {
	at, found := r.search(id)
	if found {
		r.Observers = slices.Delete(r.Observers, at, at+1)
	}
	return found
}

func (r *Roster) search(id string) (int, bool) {
	return slices.BinarySearchFunc(r.Observers, Entry{ID: id}, compare)
}

func compare(a, b Entry) int { return strings.Compare(a.ID, b.ID) }

// CheckMetadata refuses metadata that is too large or no text.
func CheckMetadata(metadata map[string]string) error {
	for key, value := range metadata {
		if key == "" || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return fmt.Errorf("metadata %.100q=%.100q: keys must not be empty, and both must be valid UTF-8", key, value)
		}
	}
	if n := len(encoded(metadata)); n > MaxMetadata {
		return fmt.Errorf("metadata takes %d bytes of JSON; at most %d are allowed: shorten it", n, MaxMetadata)
	}
	return nil
}

// size is about what an observer takes in a list, in bytes.
func size(id string, metadata map[string]string) int {
	const frame = len(`{"id":,"ageMillis":1234567,"metadata":},`)
	return frame + len(encoded(id)) + len(encoded(metadata))
}

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always can be
	}
	return data
}

func full(id string, others int) error {
	return fmt.Errorf("observer %.100q with its metadata does not fit beside %d others: %w: %d bytes is the limit, so shorten the metadata or unregister others", id, others, ErrFull, maxRegistered)
}
