package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/rounds"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

const (
	exitUnrecorded = 123
	exitUndecided  = 124
	exitRefused    = 125
	exitNotFound   = 127
)

func TestOnceRunsTheCommandInOneOfManyCopies(t *testing.T) {
	t.Parallel()
	s := start(t, &service{})
	done := filepath.Join(t.TempDir(), "done")
	codes := make([]int, 8)
	var copies sync.WaitGroup
	for i := range codes {
		copies.Go(func() {
			o := s.script(t, fmt.Sprintf("host-%d", i))
			codes[i], _ = o.run("billing", "2026-11-21T08:00", "sh", "-c", `echo "$S3LECT_ID" >>"$0"`, done)
		})
	}
	copies.Wait()
	assert.Equal(t, make([]int, len(codes)), codes)

	by, err := os.ReadFile(done)
	require.NoError(t, err)
	state, err := s.rounds.Completed(t.Context(), "billing", "2026-11-21T08:00")
	require.NoError(t, err)
	require.NotNil(t, state.Completed)
	assert.Equal(t, state.Elected.ID+"\n", string(by), "once, by the elected one")
	assert.Equal(t, state.Elected.ID, state.Completed.ID)
}

func TestOnceDoesNotRepeatACompletedRound(t *testing.T) {
	t.Parallel()
	o := start(t, &service{}).script(t, "host-a")
	for range 2 {
		code, said := o.run("billing", "today", "sh", "-c", `echo done >>"$0"`, o.path("done"))
		assert.Zero(t, code)
		assert.Empty(t, said)
	}
	assert.Equal(t, "done\n", o.read("done"))
}

func TestOnceRunsTheJobThatAStrangerHasCompletedWithoutDoingIt(t *testing.T) {
	t.Parallel()
	s := start(t, &service{})
	_, err := s.rounds.Complete(t.Context(), "billing", "today", rounds.Candidate{Address: "10.0.0.9"})
	require.NoError(t, err, "a request without an identity can do that before anybody is elected")
	o := s.script(t, `host "a"\b`)
	code, said := o.run("billing", "today", "sh", "-c", `echo done >>"$0"`, o.path("done"))
	assert.Equal(t, exitUnrecorded, code)
	assert.Contains(t, said, "was not elected")
	assert.FileExists(t, o.path("done"))

	for range 2 { // an identity with what JSON escapes
		code, _ = o.run("billing", "tomorrow", "sh", "-c", `echo done >>"$0"`, o.path("done2"))
		assert.Zero(t, code)
	}
	by, err := os.ReadFile(o.path("done2"))
	require.NoError(t, err)
	assert.Equal(t, "done\n", string(by))
}

func TestOnceTriesAFailedJobAgainForTheSameIdentityAlone(t *testing.T) {
	t.Parallel()
	s := start(t, &service{})
	o := s.script(t, "host-a")
	code, said := o.run("billing", "today", "sh", "-c", "exit 5")
	assert.Equal(t, 5, code)
	assert.Empty(t, said)

	code, _ = s.script(t, "host-b").run("billing", "today", "touch", o.path("by-b"))
	assert.Zero(t, code)
	assert.NoFileExists(t, o.path("by-b"))

	code, _ = o.run("billing", "today", "touch", o.path("by-a"))
	assert.Zero(t, code)
	assert.FileExists(t, o.path("by-a"))
	state, err := s.rounds.Completed(t.Context(), "billing", "today")
	require.NoError(t, err)
	assert.NotNil(t, state.Completed)
}

func TestOnceAsksAgainUntilItCanTell(t *testing.T) {
	t.Parallel()
	trouble := map[string]http.HandlerFunc{
		"500":                 answering(http.StatusInternalServerError),
		"503":                 answering(http.StatusServiceUnavailable),
		"429":                 answering(http.StatusTooManyRequests),
		"a broken connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handle := range trouble {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			s := start(t, &service{before: func(w http.ResponseWriter, req *http.Request) (handled bool) {
				if asked.Add(1) <= 2 {
					handle(w, req)
					return true
				}
				return false
			}})
			o := s.script(t, "host-a")
			code, said := o.run("billing", "today", "touch", o.path("done"))
			assert.Zero(t, code, said)
			assert.FileExists(t, o.path("done"))
		})
	}
}

func TestOnceIsToldAgainWhatItWasNotTold(t *testing.T) {
	t.Parallel()
	var lost atomic.Int32
	s := start(t, &service{after: func(req *http.Request) {
		if strings.Contains(req.URL.Path, "/elect/") && lost.Add(1) == 1 {
			panic(http.ErrAbortHandler) // elected, and the answer is lost
		}
	}})
	o := s.script(t, "host-a")
	code, said := o.run("billing", "today", "touch", o.path("done"))
	assert.Zero(t, code, said)
	assert.FileExists(t, o.path("done"))
	assert.Equal(t, int32(2), lost.Load())
}

func TestOnceGoesToTheNextServer(t *testing.T) {
	t.Parallel()
	o := start(t, &service{}).script(t, "host-a")
	o.set("S3LECT_SERVER", "http://"+unusedAddress(t)+","+o.get("S3LECT_SERVER"))
	o.set("S3LECT_PAUSES", "")
	code, said := o.run("billing", "today", "touch", o.path("done"))
	assert.Zero(t, code, said)
	assert.FileExists(t, o.path("done"))
}

func TestOnceThatCannotTellSaysWhyAndRunsNothing(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(answering(http.StatusAccepted)) // 202, as if elected
	t.Cleanup(elsewhere.Close)
	portal := httptest.NewServer(answering(http.StatusNoContent)) // as if somebody else were
	t.Cleanup(portal.Close)
	broken := httptest.NewServer(answering(http.StatusInternalServerError))
	t.Cleanup(broken.Close)
	for server, why := range map[string]string{
		"http://" + unusedAddress(t): "connect",
		broken.URL:                   "500: a reason",
		elsewhere.URL:                "not as s3lect does",
		portal.URL:                   "not as s3lect does",
	} {
		o := newScript(t, server, "host-a")
		code, said := o.run("billing", "today", "touch", o.path("done"))
		assert.Equal(t, exitUndecided, code, server)
		assert.Contains(t, said, why, server)
		assert.Contains(t, said, `could not tell who is elected for round "today" of "billing"`)
		assert.Equal(t, 2, strings.Count(said, "\n"), said)
		assert.NoFileExists(t, o.path("done"))
	}
}

func TestOnceTellsThatACompletionIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := start(t, &service{before: func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/complete/") {
			return false
		}
		answering(http.StatusInternalServerError)(w, req)
		return true
	}})
	o := s.script(t, "host-a")
	code, said := o.run("billing", "today", "touch", o.path("done"))
	assert.Equal(t, exitUnrecorded, code)
	assert.Contains(t, said, "could not be recorded")
	assert.FileExists(t, o.path("done"))
}

func TestOnceKeepsItsTokenToItself(t *testing.T) {
	t.Parallel()
	const token = `a"secret\token$HOME`
	s := start(t, &service{tokens: []string{token}})
	o := s.script(t, "host-a")
	require.NoError(t, os.WriteFile(o.path("token"), []byte("# for billing\n\n  "+token+"\r\nsecond-token\n"), 0o600))

	// This curl writes down what everybody on the machine could see.
	bin := o.path("bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	spy := fmt.Sprintf("#!/bin/sh\n{ printf '%%s\\n' \"$@\"; env; } >>%q\nexec %q \"$@\"\n", o.path("seen"), needed(t, "curl"))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "curl"), []byte(spy), 0o700))
	o.set("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))

	code, said := o.run("billing", "today", "touch", o.path("without"))
	assert.Equal(t, exitRefused, code)
	assert.Contains(t, said, "refuses with 401: a token is needed")
	assert.NoFileExists(t, o.path("without"))

	o.set("S3LECT_TOKEN_FILE", o.path("token"))
	code, said = o.run("billing", "today", "touch", o.path("done"))
	assert.Zero(t, code, said)
	assert.FileExists(t, o.path("done"))
	assert.Contains(t, o.read("seen"), "X-Candidate-Id: host-a")
	assert.NotContains(t, o.read("seen"), "secret")
}

func TestOnceNamesWhatIsWrongBeforeItAsks(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	s := start(t, &service{before: func(http.ResponseWriter, *http.Request) bool { asked.Store(true); return false }})
	o := s.script(t, "host-a")
	empty := o.path("empty")
	require.NoError(t, os.WriteFile(empty, []byte("# no token\n"), 0o600))

	for _, wrong := range []struct {
		says string
		code int
		args []string
		env  [2]string
	}{
		{says: "usage: once.sh SYSTEM ROUND COMMAND", code: exitRefused, args: []string{"billing", "today"}},
		{says: `"a/b" cannot name`, code: exitRefused, args: []string{"a/b", "today", "true"}},
		{says: `".." cannot name`, code: exitRefused, args: []string{"billing", "..", "true"}},
		{says: `"" cannot name`, code: exitRefused, args: []string{"", "today", "true"}},
		{says: `"2026-11-21 08:00" cannot name`, code: exitRefused, args: []string{"billing", "2026-11-21 08:00", "true"}},
		{says: `"täglich" cannot name`, code: exitRefused, args: []string{"billing", "täglich", "true"}},
		{says: `no command "no-such-command"`, code: exitNotFound, args: []string{"billing", "today", "no-such-command"}},
		{says: "S3LECT_ID contains", code: exitRefused, env: [2]string{"S3LECT_ID", "a\nAuthorization: b"}},
		{says: "not a URL", code: exitRefused, env: [2]string{"S3LECT_SERVER", "localhost:8080"}},
		{says: "cannot read S3LECT_TOKEN_FILE", code: exitRefused, env: [2]string{"S3LECT_TOKEN_FILE", o.path("missing")}},
		{says: "holds no token", code: exitRefused, env: [2]string{"S3LECT_TOKEN_FILE", empty}},
	} {
		try := s.script(t, "host-a")
		if wrong.env[0] != "" {
			try.set(wrong.env[0], wrong.env[1])
			wrong.args = []string{"billing", "today", "true"}
		}
		code, said := try.run(wrong.args...)
		assert.Equal(t, wrong.code, code, said)
		assert.Contains(t, said, wrong.says)
	}
	assert.False(t, asked.Load())
}

// service is a server of rounds, in whose way a test can stand.
type service struct {
	tokens []string
	before func(http.ResponseWriter, *http.Request) (handled bool)
	after  func(*http.Request) // before the answer leaves

	url    string
	rounds *rounds.Rounds
}

func start(t *testing.T, s *service) *service {
	t.Helper()
	var err error
	s.rounds, err = rounds.New(memory.New(), rounds.Options{})
	require.NoError(t, err)
	handler, err := rounds.NewHandler(s.rounds, rounds.HandlerOptions{Tokens: s.tokens})
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if s.before != nil && s.before(w, req) {
			return
		}
		handler.ServeHTTP(w, req)
		if s.after != nil {
			s.after(req)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *service) script(t *testing.T, id string) *script {
	t.Helper()
	return newScript(t, s.url, id)
}

func answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			fmt.Fprint(w, "a reason\nand more\n")
		}
	}
}

// unusedAddress is one at which nothing listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.Listener.Addr().String()
}

// script is once.sh, as a copy of a job calls it.
type script struct {
	t       *testing.T
	sh, dir string
	env     []string
}

func newScript(t *testing.T, server, id string) *script {
	t.Helper()
	needed(t, "curl")
	o := &script{t: t, sh: needed(t, "sh"), dir: t.TempDir(), env: os.Environ()}
	o.set("S3LECT_SERVER", server)
	o.set("S3LECT_ID", id)
	o.set("S3LECT_TOKEN_FILE", "")
	o.set("S3LECT_PAUSES", "0 0")
	return o
}

// needed returns where a command is, without which there is nothing to test.
func needed(t *testing.T, command string) (path string) {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		require.NotEqual(t, "true", os.Getenv("CI"), "%s is to be installed where changes are judged", command)
		t.Skipf("%s is not installed", command)
	}
	return path
}

func (o *script) path(name string) string { return filepath.Join(o.dir, name) }

func (o *script) read(name string) string {
	o.t.Helper()
	data, err := os.ReadFile(o.path(name))
	require.NoError(o.t, err)
	return string(data)
}

func (o *script) set(name, value string) { o.env = append(o.env, name+"="+value) }

func (o *script) get(name string) string {
	for _, variable := range slices.Backward(o.env) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// run returns the exit status and what was said on standard error.
func (o *script) run(args ...string) (code int, said string) {
	cmd := exec.CommandContext(o.t.Context(), o.sh, append([]string{"once.sh"}, args...)...)
	cmd.Env = o.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		assert.NoError(o.t, err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}
