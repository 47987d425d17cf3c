package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func openAlways(storage s3lect.Storage) func(context.Context, string) (s3lect.Storage, error) {
	return func(context.Context, string) (s3lect.Storage, error) { return storage, nil }
}

func TestWrongUsageIsExplained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown flag":      {with("status", "--jsn"), 2, "unknown flag: --jsn; did you mean --json?\nSee \"s3lect status --help\"."},
		"beginning of flag": {with("watch", "--inter=1s"), 2, "did you mean --interval?"},
		"far-off flag":      {with("status", "--verbose"), 2, "unknown flag: --verbose\n"},
		"unknown command":   {[]string{"statsu"}, 2, "Did you mean this?\n\tstatus"},
		"no store":          {[]string{"status", "--key", "k"}, 2, "--store is required: the storage that all candidates share, such as\n  --store 's3://bucket/prefix?region=eu-central-1'"},
		"no key":            {[]string{"status", "--store", "file:x"}, 2, "--key is required: the key of the leader record, the same for all candidates of one election, such as\n  --key leader.json"},
		"memory":            {[]string{"watch", "--store", "mem:x", "--key", "k"}, 2, "no other process sees a storage in memory"},
		"log level":         {with("status", "--log-level", "loud"), 2, `--log-level "loud" is not one of debug, info, warn, error`},
		"log format":        {with("status", "--log-format", "xml"), 2, `--log-format "xml" is neither text nor json`},
		"argument":          {with("status", "more"), 2, `"s3lect status" takes no arguments, but there is "more"`},
		"bad duration":      {with("watch", "--interval", "5"), 2, `invalid argument "5" for "--interval"`},
		"no interval":       {with("watch", "--interval", "0s"), 2, "--interval 0s must be positive"},
		"run flag":          {with("run", "--leese", "3s", "--", "true"), 125, "did you mean --lease?"},
		"run nothing":       {with("run"), 125, "run needs a command, after two dashes"},
		"run no store":      {[]string{"run", "--", "true"}, 125, "--store is required"},
		"run lease":         {with("run", "--lease", "1s", "--frequent", "2s", "--", "true"), 125, "--frequent 2s must be at most four fifths of --lease 1s"},
		"run no lease":      {with("run", "--lease", "0s", "--", "true"), 125, "--lease 0s must be positive"},
		"run address":       {with("run", "--addr", "here", "--", "true"), 125, `--addr "here" must be host:port`},
		"run grace":         {with("run", "--grace", "-1s", "--", "true"), 125, "--grace -1s must not be negative"},
		"run delay":         {with("run", "--restart-delay", "0s", "--", "true"), 125, "--restart-delay 0s must be positive"},
		"run restart":       {with("run", "--restart=sometimes", "--", "true"), 125, "must be never, on-failure or always"},
		"run not found":     {with("run", "--", "no-such-command"), 127, "cannot run the command: exec: \"no-such-command\""},
		"run not a program": {with("run", "--", "/"), 126, "cannot run the command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, says := newTerminal(t).run(c.args...)
			assert.Equal(t, c.code, code)
			assert.Empty(t, out)
			assert.Contains(t, says, c.says)
			assert.True(t, strings.HasPrefix(says, "s3lect: "), says)
		})
	}
}

func TestBadStorageURLIsWrongUsage(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"status", "watch", "repair", "probe"} {
		code, _, says := newTerminal(t).run(command, "--store", "ftp://x", "--key", "k")
		assert.Equal(t, exitUsage, code, command)
		assert.Contains(t, says, `s3lect: --store: storage URL "ftp://x": unknown scheme "ftp"`)
	}
	code, _, _ := newTerminal(t).run("run", "--store", "nonsense", "--key", "k", "--", "true")
	assert.Equal(t, exitRun, code)
}

func TestDirectoryThatCannotBeOpenedIsAFailure(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	code, _, says := newTerminal(t).run("status", "--store", "file://"+filepath.ToSlash(file), "--key", "k")
	assert.Equal(t, exitFailure, code)
	assert.Contains(t, says, file)
}

func TestLookingDoesNotCreateADirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mistyped")
	for _, command := range []string{"status", "watch", "repair"} {
		code, _, says := newTerminal(t).run(command, "--store", "file://"+filepath.ToSlash(dir), "--key", "k")
		assert.Equal(t, exitFailure, code, command)
		assert.Contains(t, says, "there is no such directory", command)
		assert.NoDirExists(t, dir, command)
	}
}

func TestKeyThatTheStorageCanNeverHoldIsWrongUsage(t *testing.T) {
	t.Parallel()
	store := "file://" + filepath.ToSlash(t.TempDir())
	for _, key := range []string{"../x.json", "/x.json", ".s3lect/x.json", "a//x.json"} {
		at := []string{"--store", store, "--key", key}
		for _, command := range []string{"status", "watch", "repair", "probe"} {
			code, _, says := newTerminal(t).run(append([]string{command}, at...)...)
			assert.Equal(t, exitUsage, code, "%s %s", command, key)
			assert.Contains(t, says, s3lect.ErrStorageKey.Error())
		}
		code, _, says := newTerminal(t).run(append(append([]string{"run"}, at...), "--", "true")...)
		assert.Equal(t, exitRun, code, key)
		assert.Contains(t, says, s3lect.ErrStorageKey.Error())
	}
}

func TestRunSaysWhatItCannotReadAndTriesOn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	require.NoError(t, tryKey(t.Context(), failing{errors.New("no permission")}, "leader.json", logger))
	assert.Contains(t, log.String(), "level=ERROR")
	assert.Contains(t, log.String(), "cannot read the record yet, trying on")
	assert.Contains(t, log.String(), "no permission")

	log.Reset()
	require.NoError(t, tryKey(t.Context(), memory.New(), "leader.json", logger))
	assert.Empty(t, log.String(), "no record yet is how every election begins")
}

func TestEnvironmentStandsInForFlags(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, heldRecord)
	term := newTerminal(t).on(storage)
	term.env = map[string]string{"S3LECT_STORE": "s3://bucket", "S3LECT_KEY": "leader.json", "S3LECT_JSON": "true", "S3LECT_LEASE": ""}
	code, out, says := term.run("status")
	assert.Equal(t, 0, code, says)
	assert.True(t, json.Valid([]byte(out)))
}

func TestFlagWinsOverEnvironment(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, heldRecord)
	term := newTerminal(t).on(storage)
	term.env = map[string]string{"S3LECT_KEY": "another", "S3LECT_JSON": "nonsense"}
	code, out, says := term.run(with("status", "--json=false")...)
	assert.Equal(t, 0, code, says)
	assert.Contains(t, out, "leader")
}

func TestMalformedVariableIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ value, says string }{
		"S3LECT_INTERVAL":  {"fast", `s3lect: environment variable S3LECT_INTERVAL: invalid value "fast": time: invalid duration "fast"`},
		"S3LECT_LOG_LEVEL": {"loud", "--log-level \"loud\" is not one of"},
		"S3LECT_JSON":      {"maybe", "environment variable S3LECT_JSON: invalid value \"maybe\": invalid syntax\n"},
	} {
		term := newTerminal(t)
		term.env[name] = c.value
		code, _, says := term.run(with("watch")...)
		assert.Equal(t, 2, code)
		assert.Contains(t, says, c.says)
	}
}

func TestEnvironmentNeverForcesARepair(t *testing.T) {
	t.Parallel()
	storage := memory.New()
	put(t, storage, badRecord)
	term := newTerminal(t).on(storage)
	term.env = map[string]string{"S3LECT_FORCE": "true", "S3LECT_REPLACE_VALID": "true"}
	code, _, _ := term.run(with("repair")...)
	assert.Equal(t, exitBad, code)
	data, _, err := storage.Get(t.Context(), "leader.json")
	require.NoError(t, err)
	assert.Equal(t, badRecord, string(data))
}

func TestEveryCommandHasHelpAndExamples(t *testing.T) {
	t.Parallel()
	root := newTerminal(t).newRootCommand(nil)
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Hidden {
			continue
		}
		assert.NotEmpty(t, cmd.Short, cmd.Name())
		assert.NotEmpty(t, cmd.Example, cmd.Name())
		code, out, says := newTerminal(t).run(append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		assert.Equal(t, 0, code)
		assert.Contains(t, out, cmd.Example)
		assert.Empty(t, says)
		for line := range strings.Lines(cmd.Long) {
			assert.LessOrEqual(t, len(line), 81, "%s: %s", cmd.Name(), line)
		}
	}
}

func TestCompletionIsThere(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, out, _ := newTerminal(t).run("completion", shell)
		assert.Equal(t, 0, code)
		assert.Contains(t, out, "s3lect")
	}
}

func TestFlagValuesAreCompleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, values string }{
		{"run --restart=", "never\non-failure\nalways\n"},
		{"status --log-format ", "text\njson\n"},
		{"--log-level ", "debug\ninfo\nwarn\nerror\n"},
	} {
		_, out, _ := newTerminal(t).run(append([]string{"__complete"}, strings.Split(c.args, " ")...)...)
		assert.True(t, strings.HasPrefix(out, c.values), out)
	}
}

func TestVersionIsTold(t *testing.T) {
	t.Parallel()
	code, out, _ := newTerminal(t).run("version")
	assert.Equal(t, 0, code)
	assert.Regexp(t, `^s3lect \S+ \(go1\.\S+.*\)\n`, out)

	code, flag, _ := newTerminal(t).run("--version")
	assert.Equal(t, 0, code)
	assert.Equal(t, out, flag)

	code, out, _ = newTerminal(t).run("version", "--json")
	assert.Equal(t, 0, code)
	var b build
	require.NoError(t, json.Unmarshal([]byte(out), &b))
	assert.NotEmpty(t, b.Version)
	assert.NotEmpty(t, b.Platform)
}

func TestRevisionIsToldWhereThereIsOne(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := build{Version: "v1.2.3", Go: "go1.25", Platform: "linux/amd64", Revision: "abc", Time: "2026-01-02T03:04:05Z", Modified: true}
	require.NoError(t, b.write(&out))
	assert.Equal(t, "s3lect v1.2.3 (go1.25, linux/amd64)\nrevision abc of 2026-01-02T03:04:05Z, modified\n", out.String())
}
