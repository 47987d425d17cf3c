package cli

import (
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/internal/supervise"
)

// restartPolicy is the value of --restart.
type restartPolicy string

const (
	restartNever     restartPolicy = "never"
	restartOnFailure restartPolicy = "on-failure"
	restartAlways    restartPolicy = "always"
)

// String implements pflag.Value.
func (p *restartPolicy) String() string { return string(*p) }

// Type implements pflag.Value.
func (p *restartPolicy) Type() string { return "when" }

// Set implements pflag.Value.
func (p *restartPolicy) Set(value string) error {
	switch v := restartPolicy(value); v {
	case restartNever, restartOnFailure, restartAlways:
		*p = v
		return nil
	}
	return fmt.Errorf("must be never, on-failure or always")
}

func (p restartPolicy) applies(s supervise.Status) bool {
	return p == restartAlways || p == restartOnFailure && s.ExitCode() != 0
}

// maxRestartDelay is also how long a command has to run for its failures to be forgotten.
const maxRestartDelay = time.Minute

// backoff paces restarts.
type backoff struct{ first, next time.Duration }

func (b *backoff) delay(ran time.Duration) time.Duration {
	if b.next == 0 || ran >= maxRestartDelay {
		b.next = b.first
	}
	d := b.next
	b.next = max(b.first, min(2*b.next, maxRestartDelay))
	return d
}
