package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/consensus"
)

func TestWrongUsageIsSaidAndHasAStatusOfItsOwn(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"misspelt flag":    {[]string{"run", "--peer", "a"}, "did you mean --peers?"},
		"unknown flag":     {[]string{"run", "--volume", "a"}, `See "raftd run --help"`},
		"unknown command":  {[]string{"sett"}, "set"},
		"argument":         {[]string{"run", "n1"}, `"raftd run" takes no arguments, but there is "n1"`},
		"too few":          {[]string{"set", "a"}, `"raftd set" needs KEY VALUE`},
		"too many":         {[]string{"list", "a", "b"}, "one argument at most"},
		"cas":              {[]string{"cas", "a", "b"}, "KEY OLD NEW"},
		"cas absent":       {[]string{"cas", "--absent", "a"}, "KEY NEW"},
		"empty key":        {[]string{"set", "", "v"}, "the key is empty"},
		"not text":         {[]string{"set", "k", "\xff"}, "not UTF-8"},
		"limit":            {[]string{"list", "--limit", "0"}, "--limit 0 must be positive"},
		"time-out":         {[]string{"get", "k", "--timeout", "0s"}, "--timeout 0s must be positive"},
		"output":           {[]string{"status", "-o", "xml"}, `"xml" is neither text nor json`},
		"server":           {[]string{"status", "--api", "ftp://h"}, `--api: "ftp://h" must begin with http://`},
		"no token":         {[]string{"status", "--token-file", "/dev/null"}, "there is no token in it"},
		"no token file":    {[]string{"status", "--token-file", "/does/not/exist"}, "--token-file: open"},
		"certificate":      {[]string{"status", "--tls-cert", "x"}, "--tls-cert needs --tls-key"},
		"key":              {[]string{"status", "--tls-key", "x"}, "--tls-key needs --tls-cert"},
		"authority":        {[]string{"status", "--tls-ca", "/dev/null"}, "there is no certificate in it"},
		"added to nowhere": {[]string{"add", "n4", "nowhere"}, `"nowhere" is not HOST:PORT`},
		"log level":        {[]string{"status", "--log-level", "loud"}, "--log-level"},
		"log format":       {[]string{"status", "--log-format", "xml"}, "--log-format"},
		"no ID":            {[]string{"run"}, "--id is required"},
		"same ID":          {[]string{"run", "--peers", "a=h:1,a=h:2"}, "a is there twice"},
		"same address":     {[]string{"run", "--peers", "a=h:1,b=h:1"}, "a and b have the same address"},
		"port 0":           {[]string{"run", "--peers", "a=h:0"}, "port 0"},
		"port":             {[]string{"run", "--peers", "a=h:70000"}, "not a number up to 65535"},
		"no host":          {[]string{"run", "--peers", "a=:1"}, "the host is missing"},
		"no peer ID":       {[]string{"run", "--peers", "=h:1"}, "is not ID=HOST:PORT"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Contains(t, newTerminal(t).refused(test.args...), test.want)
		})
	}
}

func TestWrongVariablesAreNamed(t *testing.T) {
	term := newTerminal(t)
	term.env["RAFTD_ELECTION_TIMEOUT_MIN"] = "soon"
	assert.Contains(t, term.refused("run"), `environment variable RAFTD_ELECTION_TIMEOUT_MIN: invalid value "soon"`)
	term.env = map[string]string{"RAFTD_SNAPSHOT_THRESHOLD": "many"}
	assert.Contains(t, term.refused("run"), `environment variable RAFTD_SNAPSHOT_THRESHOLD: invalid value "many"`)
}

// A shell in which RAFTD_API says where clients ask may start a node as well.
func TestTheAPIOfClientsIsNotWhereANodeListens(t *testing.T) {
	term := newTerminal(t)
	term.env["RAFTD_API"] = "http://h:1,http://h:2"
	flags := []string{"--id", "a", "--data", "d", "--peers", "a=h:1"}
	assert.Equal(t, defaultListen, term.options(flags...).API)
	term.env["RAFTD_LISTEN"] = "127.0.0.1:9"
	assert.Equal(t, "127.0.0.1:9", term.options(flags...).API)
}

func TestWhyANodeHasEndedIsTheStatus(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"in order":      {nil, exitOK},
		"failure":       {errors.New("something"), exitFailure},
		"configuration": {fmt.Errorf("%w: x", consensus.ErrConfig), exitUsage},
		"foreign":       {fmt.Errorf("start: %w", consensus.ErrForeignState), exitState},
		"damaged":       {fmt.Errorf("start: %w", consensus.ErrLogInconsistent), exitState},
		"machine":       {fmt.Errorf("stopped: %w", consensus.ErrMachineFailed), exitState},
		"storage":       {fmt.Errorf("stopped: %w", consensus.ErrStorageUnavailable), exitFailure},
		"snapshot":      {fmt.Errorf("start: %w", consensus.ErrSnapshotFailed), exitFailure},
		"interrupted":   {&exitError{code: 143, err: errors.New("interrupted")}, 143},
	} {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t)
			term.Run = runs(test.err)
			code, _, stderr := term.run("run", "--id", "a", "--data", "d", "--peers", "a=h:1")
			assert.Equal(t, test.want, code)
			if test.err != nil {
				assert.Contains(t, stderr, test.err.Error())
			}
		})
	}
}

func TestTextForTerminalsIsHarmless(t *testing.T) {
	for text, want := range map[string]string{
		`plain text`:    `plain text`,
		`with "quotes"`: `with "quotes"`,
		`back\slash`:    `back\slash`,
		"grün":          "grün",
		"two\nlines":    `"two\nlines"`,
		"tab\there":     `"tab\there"`,
		"\x1b[2J":       `"\x1b[2J"`,
		`literal \n`:    `literal \n`,
	} {
		assert.Equal(t, want, plain(text))
	}
}

func TestVersionIsPrintedInBothFormats(t *testing.T) {
	term := newTerminal(t)
	_, text, _ := term.run("version")
	assert.Contains(t, text, "raftd ")
	_, flag, _ := term.run("--version")
	assert.Equal(t, text, flag)
	_, json, _ := term.run("version", "-o", "json")
	assert.Contains(t, json, `"platform"`)
}
