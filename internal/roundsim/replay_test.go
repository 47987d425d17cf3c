package roundsim

import (
	"reflect"
	"slices"
	"testing"
)

// TestSeedTellsTheSameStoryAgain: a failing seed is worth something only if it replays. What happens
// in one and the same instant does so in an order that is in nobody's hands, and who wins a round
// may depend on it. So a seed is run until one of its stories comes again, and all of them together
// need few such runs.
func TestSeedTellsTheSameStoryAgain(t *testing.T) {
	const seeds, spare = 50, 25
	type story struct {
		Calls, Requests int
		Winners         map[string][]string
	}
	tells := func(seed uint64) story {
		r := runInBubble(t, Options{Seed: seed, Weather: weatherNamed(t, "mixed")})
		return story{r.Calls, r.Requests, r.Winners}
	}
	again := 0
	for seed := range uint64(seeds) {
		seed += 1000
		stories := []story{tells(seed)}
		for {
			next := tells(seed)
			if slices.ContainsFunc(stories, func(s story) bool { return reflect.DeepEqual(s, next) }) {
				break
			}
			stories = append(stories, next)
			if again++; again > spare {
				t.Fatalf("seed %d has told %d stories, and those before it %d more than they should", seed, len(stories), again)
			}
		}
	}
	t.Logf("%d runs differed from an earlier one of their seed", again)
}
