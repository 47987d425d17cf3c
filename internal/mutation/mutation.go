// Package mutation makes deliberate mistakes in copies of the source, for tests which show that a
// simulation catches them.
package mutation

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Mutant is a deliberate mistake.
type Mutant struct {
	// Name is that of its file.
	Name string
	// Fields are what else the file says, such as what must catch the mutant.
	Fields map[string]string

	edits []edit
}

type edit struct{ file, old, new string }

// ReadAll reads the descriptions testdata/mutants/*.txt: a line for people, fields ("name: value"),
// and edits, each of which is "file: PATH" below the module's directory and a text to replace with
// another. All of the named fields must be there.
func ReadAll(tb testing.TB, fields ...string) []Mutant {
	tb.Helper()
	files, err := filepath.Glob("testdata/mutants/*.txt")
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	mutants := make([]Mutant, 0, len(files))
	for _, file := range files {
		m := read(tb, file)
		for _, field := range fields {
			require.NotEmpty(tb, m.Fields[field], "%s: no %s", file, field)
		}
		mutants = append(mutants, m)
	}
	return mutants
}

func read(tb testing.TB, file string) Mutant {
	tb.Helper()
	data, err := os.ReadFile(file)
	require.NoError(tb, err)
	m := Mutant{Name: strings.TrimSuffix(filepath.Base(file), ".txt"), Fields: map[string]string{}}
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
			m.Fields[name] = value
		}
	}
	require.Nil(tb, text, "%s: an edit does not end", file)
	require.NotEmpty(tb, m.edits, file)
	return m
}

// Overlay writes the mutated files beside the source, and a file that tells the go command about
// them (its flag -overlay), whose name it returns. The root is the module's directory.
func (m Mutant) Overlay(tb testing.TB, root string) string {
	tb.Helper()
	root, err := filepath.Abs(root)
	require.NoError(tb, err)
	dir := tb.TempDir()
	replaced := map[string]string{}
	for i, e := range m.edits {
		path := filepath.Join(root, e.file)
		from := path
		if replaced[path] != "" {
			from = replaced[path]
		}
		source, err := os.ReadFile(from)
		require.NoError(tb, err)
		require.Equal(tb, 1, bytes.Count(source, []byte(e.old)),
			"%s must contain the text of the mutant exactly once; adapt the mutant to the source:\n%s", e.file, e.old)
		to := filepath.Join(dir, string(rune('a'+i))+".go")
		require.NoError(tb, os.WriteFile(to, bytes.Replace(source, []byte(e.old), []byte(e.new), 1), 0o600))
		replaced[path] = to
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(tb, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(tb, os.WriteFile(file, data, 0o600))
	return file
}
