package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/arena"
	"github.com/seed-6dc909bb/s3lect/bench/contender"
)

// constant is a candidate that leads always or never.
type constant bool

func (constant) Start() error  { return nil }
func (constant) Stop()         {}
func (c constant) Leads() bool { return bool(c) }

func TestContendersThatDoNotElectOneLeaderAreNamed(t *testing.T) {
	for leads, want := range map[constant]string{
		false: "constant: nobody led alone for 25m0s; at last 0 of 5 nodes lead",
		true:  "constant: nobody led alone for 25m0s; at last 5 of 5 nodes lead",
	} {
		c := contender.Contender{Name: "constant", New: func(*arena.Node, contender.Settings) (arena.Candidate, error) { return leads, nil }}
		for _, err := range bubbles(t, 1, func(seed uint64) (error, error) {
			_, err := Gaps(c, contender.Defaults(), Crash(), seed, 1)
			return err, nil
		}) {
			assert.EqualError(t, err, want)
		}
	}
}

func TestAnAlarmRingsUnlessItIsCalledOff(t *testing.T) {
	alarm(time.Hour, func() { t.Error("it has been called off") })()
	rings := make(chan struct{})
	callOff := alarm(0, func() { close(rings) })
	<-rings
	callOff()
}
