package supervise

import (
	"os"
	"time"
)

// Spec says what to start.
type Spec struct {
	// Args are the command, which is looked up in PATH, and its arguments.
	Args []string
	// Env is the command's whole environment.
	Env []string
	// Stdin, Stdout and Stderr become the command's own. Nil stands for the null device.
	Stdin, Stdout, Stderr *os.File
}

// Job is a command, and the permission under which it runs.
type Job struct {
	Spec
	// Grace is the time between asking the command to end and killing it.
	Grace time.Duration
	// Remaining is for how long the permission is certain to last, as of now; 0 once it has ended.
	// It is asked again and again while the command runs.
	Remaining func() time.Duration
	// KillBy is asked when the permission has ended, with its context's cause: by when the command
	// and everything it has started must be gone. The zero time means at once.
	KillBy func(cause error) time.Time
	// Margin is the safety distance: killing begins this long before the permission runs out.
	Margin time.Duration
	// Refresh is how often Remaining is asked.
	Refresh time.Duration
}

// Cause is why a command ended.
type Cause int

// The causes of an end.
const (
	ByItself Cause = iota // it ended, or could not be started, or somebody else killed it
	Revoked               // the permission had ended
	Stopped               // a signal was forwarded
)
