package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// newTestHost has a monotonic clock that starts at 0 and a wall clock that shows the true time.
func newTestHost(monoRate int64) *host {
	now := time.Now()
	return newHost(clock{base: now, wall: now.UnixNano(), monoRate: monoRate, wallRate: million}, 0)
}

// received reports whether the timer has fired by now.
func received(t *timer) bool {
	synctest.Wait()
	select {
	case <-t.C():
		return true
	default:
		return false
	}
}

func TestTimerLastsAsLongAsItsHostsClockSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(1_050_000)
		timer := h.newTimer()
		timer.Reset(1050 * time.Millisecond)
		time.Sleep(time.Second - 1)
		assert.False(t, received(timer))
		time.Sleep(time.Nanosecond)
		assert.True(t, received(timer))
		assert.Equal(t, 1050*time.Millisecond, h.now().Mono)
	})
}

func TestStoppedOrResetTimerDeliversNothingOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := newTestHost(million).newTimer()
		timer.Reset(time.Second)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		timer.Reset(time.Second) // the first firing is waiting to be received
		assert.False(t, received(timer))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		timer.Stop()
		assert.False(t, received(timer))
	})
}

func TestFrozenProcessHearsItsTimersWhenItThaws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(million)
		timer := h.newTimer()
		timer.Reset(time.Second)
		h.freeze()
		h.freeze()
		time.Sleep(10 * time.Second)
		assert.False(t, received(timer))
		h.thaw()
		assert.False(t, received(timer), "it was frozen twice")
		h.thaw()
		assert.True(t, received(timer))
		assert.Equal(t, 10*time.Second, h.now().Mono, "both clocks went on")
	})
}

func TestSuspendedMachineLosesMonotonicTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(million)
		before := h.now()
		timer := h.newTimer()
		timer.Reset(3 * time.Second)
		time.Sleep(time.Second)
		h.suspend()
		time.Sleep(time.Minute)
		assert.Equal(t, time.Second, h.now().Mono)
		h.wake()
		time.Sleep(time.Second)
		assert.False(t, received(timer), "the timer counts on the monotonic clock")
		time.Sleep(time.Second)
		assert.True(t, received(timer))
		after := h.now()
		assert.Equal(t, 3*time.Second, after.Mono)
		assert.Equal(t, int64(63*time.Second), after.Wall-before.Wall)
	})
}

func TestWallClockStepsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(million)
		before := h.now()
		h.step(-20 * time.Second)
		after := h.now()
		assert.Equal(t, before.Mono, after.Mono)
		assert.Equal(t, int64(-20*time.Second), after.Wall-before.Wall)
	})
}

func TestSleeperOfAHeldProcessReturnsWhenItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(million)
		began := time.Now()
		h.freeze()
		time.AfterFunc(5*time.Second, h.thaw)
		h.sleep(time.Second, nil)
		assert.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestDeadProcessIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHost(million)
		h.freeze()
		time.AfterFunc(time.Second, h.kill)
		began := time.Now()
		h.sleep(time.Hour, nil)
		assert.Equal(t, time.Second, time.Since(began))
		h.freeze()
		h.wait()
	})
}
