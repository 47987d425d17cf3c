package rounds

import "sync"

// maxDecided bounds how many rounds are remembered, which takes about a megabyte.
const maxDecided = 10_000

// decidedRounds are rounds that were seen to be won, by their keys. That a round is among them says
// only that looking is cheaper than trying to win it: what the look shows is what counts.
type decidedRounds struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func (d *decidedRounds) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.keys[key]
	return ok
}

func (d *decidedRounds) add(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil || len(d.keys) >= maxDecided {
		d.keys = map[string]struct{}{}
	}
	d.keys[key] = struct{}{}
}
