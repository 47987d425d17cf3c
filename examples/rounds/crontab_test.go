package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestCrontabNamesRoundsAfterThePlannedTime(t *testing.T) {
	t.Parallel()
	of, err := rounds.New(memory.New(), rounds.Options{})
	require.NoError(t, err)
	planned := time.Date(2026, time.November, 2, 8, 0, 0, 0, time.UTC) // for a line like any of them
	commands := cronCommands(t)
	require.Len(t, commands, 6)
	for _, command := range commands {
		assert.NotRegexp(t, `(^|[^\\])%`, command, "this percent sign would end the command")
		onTime := onceArgs(t, command, planned)
		for _, late := range []time.Duration{time.Second, 59 * time.Second, 9 * time.Minute} {
			assert.Equal(t, onTime, onceArgs(t, command, planned.Add(late)), "%v late", late)
		}
		next := onceArgs(t, command, planned.AddDate(0, 1, 0))
		assert.NotEqual(t, onTime[1], next[1], "the next round has another name")

		won, _, err := of.Elect(t.Context(), onTime[0], onTime[1], rounds.Candidate{ID: "host-a"})
		require.NoError(t, err, command)
		assert.True(t, won, "another job has this round: %s", command)
		assert.True(t, strings.HasPrefix(onTime[2], "/"), "cron's PATH is short: %s", onTime[2])
	}
}

// cronCommands are what the lines run.
func cronCommands(t *testing.T) (commands []string) {
	t.Helper()
	data, err := os.ReadFile("crontab")
	require.NoError(t, err)
	job := regexp.MustCompile(`^(?:[0-9*/]+ +){5}(.*)$`)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if found := job.FindStringSubmatch(line); found != nil {
			commands = append(commands, found[1])
			continue
		}
		assert.Regexp(t, `^(#.*|[A-Z0-9_]+=.*|)$`, line, "neither a job, nor a comment, nor a variable")
	}
	return commands
}

// onceArgs are what once.sh gets if cron runs the command at a time.
func onceArgs(t *testing.T, command string, at time.Time) []string {
	t.Helper()
	year, week := at.ISOWeek()
	edits := ""
	for format, value := range map[string]string{
		"+": "", "%Y": at.Format("2006"), "%m": at.Format("01"), "%d": at.Format("02"),
		"%G": fmt.Sprint(year), "%V": fmt.Sprintf("%02d", week), "%s": fmt.Sprint(at.Unix()),
	} {
		edits += fmt.Sprintf(" -e 's/%s/%s/'", format, value)
	}
	command = strings.ReplaceAll(command, `\%`, "%")
	command = strings.Replace(command, "/usr/local/bin/once.sh", `printf '%s\n'`, 1)
	script := fmt.Sprintf("date() { printf '%%s\\n' \"$1\" | sed %s; }\n%s", edits, command)
	said, err := exec.CommandContext(t.Context(), needed(t, "sh"), "-c", script).CombinedOutput()
	require.NoError(t, err, "%s", said)
	args := strings.Split(string(said), "\n")
	require.GreaterOrEqual(t, len(args), 3, "%s", said)
	return args
}
