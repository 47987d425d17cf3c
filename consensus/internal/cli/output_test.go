package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// fullDisk is a file on a disk that is full.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAnAnswerThatCannotBePrintedIsAFailure(t *testing.T) {
	a := newAPI(t)
	term := newTerminal(t)
	term.Stdout = fullDisk{}
	for _, output := range []string{"text", "json"} {
		for _, c := range []struct {
			code int
			args []string
		}{
			{exitUnknown, []string{"set", "color", "green"}}, // not 1, which says that nothing was changed
			{exitUnknown, []string{"cas", "color", "green", "blue"}},
			{exitFailure, []string{"get", "color"}},
			{exitFailure, []string{"list"}},
			{exitFailure, []string{"nodes"}},
		} {
			code, _, stderr := term.run(append(c.args, "--api", a.URL, "--output", output)...)
			assert.Equal(t, c.code, code, "%v: %s", c.args, stderr)
			assert.Contains(t, stderr, "no space left", "%v", c.args)
		}
	}
}
