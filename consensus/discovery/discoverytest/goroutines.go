package discoverytest

import (
	"runtime"
	"strings"
	"testing"
)

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buffer := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	stacks := map[string]string{}
	for stack := range strings.SplitSeq(string(buffer), "\n\n") {
		number, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		stacks[number] = stack
	}
	return stacks
}

// leftBehind fails if there is a goroutine that was not there before and does not end.
func leftBehind(t *testing.T, before map[string]string) {
	t.Helper()
	var left []string
	eventually(t, func() bool {
		left = nil
		for number, stack := range goroutines() {
			if _, known := before[number]; !known {
				left = append(left, stack)
			}
		}
		return len(left) == 0
	}, func() { t.Errorf("goroutines left behind:\n%s", strings.Join(left, "\n\n")) })
}
