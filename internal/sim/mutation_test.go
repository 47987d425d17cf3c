package sim

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mutant is a deliberate mistake in the protocol, and what must catch it.
type mutant struct {
	schedule, expect string
	edits            []edit
}

type edit struct{ file, old, new string }

// quickMutants are the mistakes that ordinary tests try too.
var quickMutants = []string{
	"trust-from-answer", "wall-clocks-compared", "failure-is-success", "no-read-back", "early-release",
	"peer-answers-now", "peer-other-incarnation", "peer-older-version", "peer-told-before-release", "peer-extends-trust",
}

// TestMutantsAreCaught makes each mistake of testdata/mutants in a copy of the source and demands
// that the simulation finds the violation that it expects. Only that kind counts, so that the
// stricter checks beside it do not take the credit.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module once per mutant")
	}
	files, err := filepath.Glob("testdata/mutants/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 5)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if !*allMutants && !slices.Contains(quickMutants, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m := readMutant(t, file)
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay(t, m),
				"-run", "^TestMixedSchedule$", "-count=1", "-timeout=5m", ".",
				"-args", "-sim.schedule="+m.schedule, "-sim.only="+m.expect, "-sim.seeds=2000", "-sim.failures=1")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the mutant was not caught:\n%s", out)
			require.Contains(t, string(out), "  "+m.expect+" at ", "the mutant failed for another reason:\n%.4000s", out)
		})
	}
}

// overlay writes the mutated files beside the source and tells the go command about them.
func overlay(t *testing.T, m mutant) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	replaced := map[string]string{}
	for i, e := range m.edits {
		path := filepath.Join(root, e.file)
		from := path
		if replaced[path] != "" {
			from = replaced[path]
		}
		source, err := os.ReadFile(from)
		require.NoError(t, err)
		require.Equal(t, 1, bytes.Count(source, []byte(e.old)),
			"%s must contain the text of the mutant exactly once; adapt the mutant to the source:\n%s", e.file, e.old)
		to := filepath.Join(dir, string(rune('a'+i))+".go")
		require.NoError(t, os.WriteFile(to, bytes.Replace(source, []byte(e.old), []byte(e.new), 1), 0o600))
		replaced[path] = to
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// readMutant reads a description: a line for people, then fields, then edits.
func readMutant(t *testing.T, file string) (m mutant) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var text *string
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case line == "--- replace\n":
			text = &m.edits[len(m.edits)-1].old
		case line == "--- with\n":
			text = &m.edits[len(m.edits)-1].new
		case line == "--- end\n":
			text = nil
		case text != nil:
			*text += line
		case name == "schedule":
			m.schedule = value
		case name == "expect":
			m.expect = value
		case name == "file":
			m.edits = append(m.edits, edit{file: filepath.FromSlash(value)})
		}
	}
	require.Nil(t, text, "%s: an edit does not end", file)
	require.NotEmpty(t, m.schedule, file)
	require.NotEmpty(t, m.expect, file)
	require.NotEmpty(t, m.edits, file)
	return m
}
