//go:build unix

package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// In an empty container there is neither a loader nor a library.
func TestMakeBuildsOneStaticFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the container is one of Linux")
	}
	makeCommand, err := exec.LookPath("make")
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "make is to be installed where changes are judged")
		t.Skip("make is not installed")
	}
	dir := t.TempDir()
	said, err := exec.CommandContext(t.Context(), makeCommand, "-C", "../..", "build", "BIN="+dir).CombinedOutput()
	require.NoError(t, err, "%s", said)
	binary := filepath.Join(dir, "raftd")

	file, err := elf.Open(binary)
	require.NoError(t, err)
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, segment := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it needs a loader")
	}
	said, err = exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	require.NoError(t, err, "%s", said)
}
