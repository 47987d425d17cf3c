package memory

import (
	"slices"
	"sort"
)

// sortedKeys are in order. Logs grow at one end and are shortened at both, so what has to make room is always
// the shorter side.
type sortedKeys struct {
	keys []string
}

func (s *sortedKeys) insert(key string) {
	at, _ := slices.BinarySearch(s.keys, key)
	s.keys = slices.Insert(s.keys, at, key)
}

func (s *sortedKeys) remove(key string) {
	at, _ := slices.BinarySearch(s.keys, key)
	if at > len(s.keys)/2 {
		s.keys = slices.Delete(s.keys, at, at+1)
		return
	}
	copy(s.keys[1:at+1], s.keys[:at])
	s.keys[0] = "" // let it be collected
	s.keys = s.keys[1:]
}

// between returns the keys from start on and before end; nil stands for no bound.
func (s *sortedKeys) between(start, end []byte) []string {
	from, to := 0, len(s.keys)
	if start != nil {
		from = sort.SearchStrings(s.keys, string(start))
	}
	if end != nil {
		to = sort.SearchStrings(s.keys, string(end))
	}
	if from >= to {
		return nil
	}
	return s.keys[from:to]
}
