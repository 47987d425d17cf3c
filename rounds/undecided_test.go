package rounds

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClaimsThatNobodyAsksForAreForgottenInTheEnd(t *testing.T) {
	var u undecidedClaims
	for i := range maxUndecided + 1000 {
		u.put(fmt.Sprint(i/10), "10.0.0.1", fmt.Sprint(i))
	}
	kept := 0
	for _, claims := range u.rounds {
		kept += len(claims)
	}
	assert.LessOrEqual(t, kept, maxUndecided)
	assert.Greater(t, kept, maxUndecided-20, "and no more of them than must be")
	assert.Equal(t, kept, u.count)
}

func TestARoundThatIsSettledKeepsNothing(t *testing.T) {
	var u undecidedClaims
	u.put("r", "a", "1")
	u.put("r", "a", "2")
	u.put("r", "b", "3")
	assert.Empty(t, u.take("r", "c"))
	assert.Empty(t, u.take("other", "a"))
	assert.False(t, u.takeWinner("r", "a", "3"), "another address's has won")
	assert.Equal(t, 1, u.count, "which is all that can be asked for")
	assert.Equal(t, "3", u.take("r", "b"))
	assert.Zero(t, u.count)
	assert.Empty(t, u.rounds)
	u.put("r", "a", "1")
	assert.True(t, u.takeWinner("r", "a", "1"))
	assert.Zero(t, u.count)
	assert.Empty(t, u.rounds)
}

func TestUndecidedClaimsAreTakenOverInTheirOrder(t *testing.T) {
	var u undecidedClaims
	for i := range 20 {
		u.put("r", "a", fmt.Sprint(i))
		u.put("r", "b", "another's")
	}
	for i := range 20 {
		assert.Equal(t, fmt.Sprint(i), u.take("r", "a"))
	}
	assert.Empty(t, u.take("r", "a"))
	assert.Equal(t, 20, u.count, "those of the other address")
}
