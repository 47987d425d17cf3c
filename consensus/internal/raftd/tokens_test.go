package raftd

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokensAreLoadedAgainWhenTheFileChanges(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }

	write("# for the dashboards\none\n\n  two  \n")
	f, err := watchTokens(path, log)
	require.NoError(t, err)
	assert.Equal(t, []string{"one", "two"}, f.get())
	assert.Empty(t, said.String())

	write("three\n")
	assert.Equal(t, []string{"three"}, f.get())
	assert.Contains(t, said.String(), "loaded again")

	// What cannot be used leaves those from before in force, and is said once.
	said.Reset()
	write("# none any more\n")
	assert.Equal(t, []string{"three"}, f.get())
	assert.Equal(t, []string{"three"}, f.get())
	assert.Equal(t, 1, strings.Count(said.String(), "cannot be loaded again"), said.String())
	said.Reset()
	require.NoError(t, os.Remove(path))
	assert.Equal(t, []string{"three"}, f.get())
	assert.Equal(t, []string{"three"}, f.get())
	assert.Equal(t, 1, strings.Count(said.String(), "cannot be loaded again"), said.String())

	write("four\n")
	assert.Equal(t, []string{"four"}, f.get())
}

func TestAFileWithoutAUsableTokenIsRefusedAtTheStart(t *testing.T) {
	for text, want := range map[string]string{
		"":              "no token",
		"# comment":     "no token",
		"a\ntwo words":  ":2: a token is one word",
		"a\nb\nümlaut ": ":3: a token is one word",
	} {
		path := filepath.Join(t.TempDir(), "tokens")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := watchTokens(path, slog.Default())
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want)
			assert.Contains(t, err.Error(), "--token-file: "+path)
		}
	}
	_, err := watchTokens("/does/not/exist", slog.Default())
	assert.ErrorContains(t, err, "--token-file: ")
}

func TestATokenThatIsReplacedByAFileOfTheSameSizeAndTimeIsGone(t *testing.T) {
	directory := t.TempDir()
	path, next := filepath.Join(directory, "tokens"), filepath.Join(directory, "next")
	at := time.Unix(1, 0) // as in images that are built to be the same each time
	for file, token := range map[string]string{path: "before\n", next: "behind\n"} {
		require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
		require.NoError(t, os.Chtimes(file, at, at))
	}
	f, err := watchTokens(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, []string{"before"}, f.get())
	require.NoError(t, os.Rename(next, path))
	assert.Equal(t, []string{"behind"}, f.get())
}
