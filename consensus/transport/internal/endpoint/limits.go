package endpoint

import (
	"time"
)

const (
	// perTimeout is the size of a message that is given one more time-out.
	perTimeout = 1 << 20
	// snapshotPerTimeout is the size of a snapshot that the receiver is given one more time-out for, to put it on
	// its disk and into its state machine.
	snapshotPerTimeout = 256 << 10
	// LeastStall is how long a snapshot may stand still at the least: disks do so for seconds.
	LeastStall = 10 * time.Second
	// SnapshotChunk is what is read, sent and waited for of a snapshot at a time.
	SnapshotChunk = 256 << 10
)

// Patience is how long a message of this size may take, both ways and the peer's work on it included: the time-out, and
// as much again for each MiB. A member that is slow to take a large batch would otherwise never take it.
func Patience(timeout time.Duration, size int) time.Duration {
	return timeout + timeout*time.Duration(size/perTimeout)
}

// SnapshotPatience is how long the receiver of a snapshot may work on it after its last byte, even though it gives
// signs of life.
func SnapshotPatience(timeout time.Duration, size int64) time.Duration {
	return timeout + timeout*time.Duration(size/snapshotPerTimeout)
}

// Stall is how long a snapshot may stand still on its way, or its receiver may give no sign of life. Zero stands for
// the longer of the time-out and LeastStall.
func Stall(configured, timeout time.Duration) time.Duration {
	if configured > 0 {
		return configured
	}
	return max(timeout, LeastStall)
}

// SignOfLife is how often the receiver of a snapshot says that it is at work, so that none is missed by chance.
func SignOfLife(stall time.Duration) time.Duration { return max(stall/4, time.Millisecond) }
