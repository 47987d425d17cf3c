package rounds

import "sync"

// maxUndecided bounds how many claims are remembered: some ten megabytes. Rounds are forgotten at
// random when there are more.
const maxUndecided = 100_000

// undecidedClaims are claims of anonymous candidates that were told [ErrUndecided]. Each may have
// won its round, or may still do, and nobody knows that it is the one.
type undecidedClaims struct {
	mu     sync.Mutex
	count  int
	rounds map[string]map[string]string // by key of the round, and claim: the candidate's address
}

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
		u.rounds = map[string]map[string]string{}
	}
	if u.rounds[key] == nil {
		u.rounds[key] = map[string]string{}
	}
	u.rounds[key][claim] = address
	u.count++
}

// take hands a claim to one call alone; empty if there is none.
func (u *undecidedClaims) take(key, address string) (claim string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for claim, of := range u.rounds[key] {
		if of == address {
			u.remove(key, claim)
			return claim
		}
	}
	return ""
}

// takeWinner hands out the claim that has won the round, if it is a remembered one of that address.
// The others cannot win any more and are forgotten.
func (u *undecidedClaims) takeWinner(key, address, winner string) (taken bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	of, remembered := u.rounds[key][winner]
	u.drop(key)
	if remembered && of != address {
		u.rounds[key] = map[string]string{winner: of}
		u.count++
	}
	return remembered && of == address
}

func (u *undecidedClaims) remove(key, claim string) {
	delete(u.rounds[key], claim)
	u.count--
	if len(u.rounds[key]) == 0 {
		u.drop(key)
	}
}

func (u *undecidedClaims) drop(key string) {
	u.count -= len(u.rounds[key])
	delete(u.rounds, key)
}
