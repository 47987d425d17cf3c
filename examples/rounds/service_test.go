package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var dir string // of this run

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "rounds"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// command builds s3lect once.
var command = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(dir, "s3lect")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "github.com/seed-6dc909bb/s3lect/cmd/s3lect")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return binary, nil
})

func TestUnitUsesFlagsThatExistAndGivesTimeToDrain(t *testing.T) {
	t.Parallel()
	unit := settings(t, "s3lect-serve.service")
	args := strings.Fields(unit["ExecStart"])
	require.Equal(t, "/usr/local/bin/s3lect", args[0])
	binary, err := command()
	require.NoError(t, err)
	said, err := exec.CommandContext(t.Context(), binary, append(args[1:], "--help")...).CombinedOutput()
	require.NoError(t, err, "%s", said)

	drain, err := time.ParseDuration(args[len(args)-1])
	require.NoError(t, err)
	stop, err := time.ParseDuration(unit["TimeoutStopSec"])
	require.NoError(t, err)
	assert.Greater(t, stop, drain)
	assert.Equal(t, "yes", unit["DynamicUser"])
}

// settings are those of a unit that has each of them once.
func settings(t *testing.T, name string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	found := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^(\w+)=(.*)$`).FindAllStringSubmatch(string(data), -1) {
		found[line[1]] = line[2]
	}
	return found
}

// The README's lines, run as they stand there, but for the directory and the port.
func TestREADMEElectsFromCurl(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Once per round\n")
	require.True(t, found)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n([^\n]*)").FindAllStringSubmatch(section, 2) // and what is said of each
	require.Len(t, blocks, 2)

	start := strings.ReplaceAll(blocks[0][1], "file:/tmp/rounds", "file:"+t.TempDir())
	start = strings.ReplaceAll(start, "127.0.0.1:8080", "127.0.0.1:0")
	args, found := strings.CutPrefix(start, "go run ./cmd/s3lect ")
	require.True(t, found, start)
	address := serveCommand(t, strings.Fields(args))

	needed(t, "curl")
	script := strings.ReplaceAll(blocks[1][1], "127.0.0.1:8080", address)
	said, err := exec.CommandContext(t.Context(), needed(t, "sh"), "-ec", script).Output()
	require.NoError(t, err)
	promised := regexp.MustCompile(`\d{3}`).FindAllString(blocks[1][2], -1)
	require.Len(t, promised, strings.Count(script, "curl"), "%s", blocks[1][2])
	answered := regexp.MustCompile(`HTTP/1.1 (\d{3}) `).FindAllStringSubmatch(string(said), -1)
	require.Len(t, answered, len(promised), "%s", said)
	for i := range promised {
		assert.Equal(t, promised[i], answered[i][1], "%s", said)
	}
}

// serveCommand runs s3lect until the test ends, and returns the address it serves at.
func serveCommand(t *testing.T, args []string) (address string) {
	t.Helper()
	binary, err := command()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // it outlives t.Context
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	serving := regexp.MustCompile(`msg=serving address=(\S+)`)
	lines := bufio.NewScanner(log)
	said := ""
	for address == "" && lines.Scan() {
		said += lines.Text() + "\n"
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, log) // else it would wait for somebody to read
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-drained
		assert.NoError(t, cmd.Wait())
	})
	require.NotEmpty(t, address, said)
	return address
}
