//go:build unix

package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built is the directory that make has built into, and what that has come to.
var built struct {
	once sync.Once
	dir  string
	said []byte
	err  error
}

// builtByMake is the program as it is delivered, built once for all tests; empty if there is no make.
func builtByMake(t *testing.T) string {
	t.Helper()
	makeCommand, err := exec.LookPath("make")
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "make is to be installed where changes are judged")
		return ""
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "raftd-"); built.err == nil { //nolint:usetesting // it outlives the test
			built.said, built.err = exec.Command(makeCommand, "-C", "../..", "build", "BIN="+built.dir).CombinedOutput()
		}
	})
	require.NoError(t, built.err, "%s", built.said)
	return filepath.Join(built.dir, "raftd")
}

// In an empty container there is neither a loader nor a library.
func TestMakeBuildsOneStaticFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the container is one of Linux")
	}
	binary := builtByMake(t)
	if binary == "" {
		t.Skip("make is not installed")
	}
	file, err := elf.Open(binary)
	require.NoError(t, err)
	defer file.Close()
	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, segment := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it needs a loader")
	}
	said, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	require.NoError(t, err, "%s", said)
}
