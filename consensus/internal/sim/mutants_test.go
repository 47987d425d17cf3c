package sim

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// moduleRoot is where the paths in mutants begin.
const moduleRoot = "../.."

var allMutants = flag.Bool("sim.mutants", false, "try all mutants, not only the quick ones")

// quickMutants are the mistakes that ordinary tests try too.
var quickMutants = []string{"read-without-verify", "nonvoters-counted"}

// mutant is a deliberate mistake, as a file of testdata/mutants describes it: a line for people, the weather in which it
// must be caught and the kind of violation, and edits: a file and a text in it to be replaced by another.
type mutant struct {
	name   string
	fields map[string]string
	edits  []edit
}

type edit struct{ file, old, new string }

// TestMutantsAreCaught makes each mistake in a copy of the module and demands that the simulation finds the violation that it
// expects. Only that kind counts, so that the stricter checks beside it do not take the credit.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module once per mutant")
	}
	files, err := filepath.Glob("testdata/mutants/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		m := readMutant(t, file)
		if !*allMutants && !slices.Contains(quickMutants, m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel() // one can be linked, which keeps one processor busy, while another is judged
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", m.overlay(t),
				"-vet=off", "-run", "^TestMixedFaults$", "-count=1", "-timeout=20m", "-v", ".",
				"-args", "-sim.weather="+m.fields["weather"], "-sim.only="+m.fields["expect"], "-sim.seeds=2000", "-sim.failures=1")
			out, err := cmd.CombinedOutput()
			t.Logf("%s", lastLine(out))
			require.Error(t, err, "the mutant was not caught:\n%s", out)
			require.Contains(t, string(out), "  "+m.fields["expect"]+" at ", "the mutant failed for another reason:\n%.4000s", out)
		})
	}
}

func readMutant(t *testing.T, file string) mutant {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	m := mutant{name: strings.TrimSuffix(filepath.Base(file), ".txt"), fields: map[string]string{}}
	var text *string
	for line := range strings.Lines(string(data)) {
		name, value, isField := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case line == "--- replace\n":
			text = &m.edits[len(m.edits)-1].old
		case line == "--- with\n":
			text = &m.edits[len(m.edits)-1].new
		case line == "--- end\n":
			text = nil
		case text != nil:
			*text += line
		case name == "file":
			m.edits = append(m.edits, edit{file: filepath.FromSlash(value)})
		case isField:
			m.fields[name] = value
		}
	}
	require.Nil(t, text, "%s: an edit does not end", file)
	require.NotEmpty(t, m.edits, file)
	for _, field := range []string{"weather", "expect"} {
		require.NotEmpty(t, m.fields[field], "%s: no %s", file, field)
	}
	return m
}

// overlay writes the mutated files beside the source, and a file that tells the go command about them, whose name it
// returns.
func (m mutant) overlay(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(moduleRoot)
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
		old, text := strings.TrimSuffix(e.old, "\n"), strings.TrimSuffix(e.new, "\n")
		require.Equal(t, 1, bytes.Count(source, []byte(old)),
			"%s must contain the text of the mutant exactly once; adapt the mutant to the source:\n%s", e.file, old)
		to := filepath.Join(dir, string(rune('a'+i))+".go")
		require.NoError(t, os.WriteFile(to, bytes.Replace(source, []byte(old), []byte(text), 1), 0o600))
		replaced[path] = to
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// lastLine is what the run says of itself.
func lastLine(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "seeds of weather") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
