package rounds

import (
	"slices"
	"sync"
)

// maxUndecided bounds how many claims are remembered: some ten megabytes. Rounds are forgotten at
// random when there are more.
const maxUndecided = 100_000

// undecidedClaims are claims of anonymous candidates that were told [ErrUndecided]. Each may have
// won its round, or may still do, and nobody knows that it is the one.
type undecidedClaims struct {
	mu     sync.Mutex
	count  int
	rounds map[string][]undecidedClaim // by key of the round, oldest first
}

type undecidedClaim struct{ claim, address string }

func (u *undecidedClaims) put(key, address, claim string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for other := range u.rounds {
		if u.count < maxUndecided {
			break
		}
		u.drop(other)
	}
	if u.rounds == nil {
		u.rounds = map[string][]undecidedClaim{}
	}
	u.rounds[key] = append(u.rounds[key], undecidedClaim{claim, address})
	u.count++
}

// take hands the oldest claim to one call alone; empty if there is none. Each call that could not be
// decided has a successor so, in the order in which they ended.
func (u *undecidedClaims) take(key, address string) (claim string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, c := range u.rounds[key] {
		if c.address == address {
			u.remove(key, i)
			return c.claim
		}
	}
	return ""
}

// takeWinner hands out the claim that has won the round, if it is a remembered one of that address.
// The others cannot win any more and are forgotten.
func (u *undecidedClaims) takeWinner(key, address, winner string) (taken bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	claims := u.rounds[key]
	i := slices.IndexFunc(claims, func(c undecidedClaim) bool { return c.claim == winner })
	u.drop(key)
	if i < 0 {
		return false
	}
	if claims[i].address != address {
		u.rounds[key] = []undecidedClaim{claims[i]}
		u.count++
		return false
	}
	return true
}

func (u *undecidedClaims) remove(key string, i int) {
	u.rounds[key] = slices.Delete(u.rounds[key], i, i+1)
	u.count--
	if len(u.rounds[key]) == 0 {
		u.drop(key)
	}
}

func (u *undecidedClaims) drop(key string) {
	u.count -= len(u.rounds[key])
	delete(u.rounds, key)
}
