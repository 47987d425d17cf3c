//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Server is a server of its own with a database of its own.
type Server struct {
	t         testing.TB
	directory string
	port      int
	settings  []string
	owner     *syscall.Credential // nil if it is this process's user
	process   *exec.Cmd
	ended     chan struct{} // closed when the process has
}

// Start starts a server and has it ended when the test does. Settings are like "fsync=off". Without PostgreSQL on
// this machine, the test is skipped, or fails if CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s := start(tb, settings)
	tb.Cleanup(s.remove)
	return s
}

var (
	sharing sync.Mutex
	shared  *Server
)

// Shared returns the URL of a server that all tests of a process share. TestMain has to call KillShared.
func Shared(tb testing.TB) (url string) {
	tb.Helper()
	sharing.Lock()
	defer sharing.Unlock()
	if shared == nil {
		shared = start(tb, nil)
	}
	return shared.URL()
}

// KillShared ends the server of Shared, if there is one.
func KillShared() {
	sharing.Lock()
	defer sharing.Unlock()
	if shared != nil {
		shared.remove()
	}
}

func (s *Server) remove() {
	s.Kill()
	_ = os.RemoveAll(s.directory)
}

func start(tb testing.TB, settings []string) *Server {
	tb.Helper()
	s := &Server{t: tb, settings: settings}
	if _, err := find("postgres"); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("PostgreSQL is not installed: %v", err)
		}
		tb.Skipf("PostgreSQL is not installed: %v", err)
	}
	s.makeDirectory()
	s.run("initdb", "--pgdata="+filepath.Join(s.directory, "data"), "--username=tester", "--auth=scram-sha-256",
		"--pwfile="+s.write("password", Password), "--no-sync", "--encoding=UTF8", "--locale=C")
	s.Up()
	return s
}

// find returns the path of a program of PostgreSQL. Debian keeps them out of the way.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			return target, nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is neither in PATH nor below /usr/lib/postgresql", program)
	}
	return found[len(found)-1], nil
}

// makeDirectory makes a directory that belongs to who runs the server: PostgreSQL refuses to be run by root.
func (s *Server) makeDirectory() {
	var err error
	s.directory, err = os.MkdirTemp("", "pgserver-")
	require.NoError(s.t, err)
	if os.Geteuid() != 0 {
		return
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		owner, err = user.Lookup("nobody")
	}
	require.NoError(s.t, err)
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	require.NoError(s.t, err)
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	require.NoError(s.t, err)
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	require.NoError(s.t, os.Chown(s.directory, int(uid), int(gid)))
}

func (s *Server) write(name, text string) string {
	path := filepath.Join(s.directory, name)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	if s.owner != nil {
		require.NoError(s.t, os.Chown(path, int(s.owner.Uid), int(s.owner.Gid)))
	}
	return path
}

func (s *Server) command(program string, arguments ...string) *exec.Cmd {
	path, err := find(program)
	require.NoError(s.t, err)
	command := exec.CommandContext(context.Background(), path, arguments...)
	command.Dir = s.directory
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return command
}

func (s *Server) run(program string, arguments ...string) {
	output, err := s.command(program, arguments...).CombinedOutput()
	require.NoError(s.t, err, "%s: %s", program, output)
}

// Up starts the server after Kill, and waits until it answers.
func (s *Server) Up() {
	s.t.Helper()
	if s.port == 0 {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		require.NoError(s.t, err)
		s.port = listener.Addr().(*net.TCPAddr).Port //nolint:errcheck // a TCP listener has a TCP address
		require.NoError(s.t, listener.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for !s.up(ctx) {
		// After a crash, the server ends at once for as long as the kernel has not cleared up behind the old one.
		if ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(s.directory, "log"))
			s.t.Fatalf("PostgreSQL does not answer: %s", log)
		}
	}
}

// up returns false if the server has ended instead of answering.
func (s *Server) up(ctx context.Context) bool {
	s.t.Helper()
	arguments := []string{
		"-D", filepath.Join(s.directory, "data"), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=50", "-c", "shared_buffers=32MB",
	}
	for _, setting := range s.settings {
		arguments = append(arguments, "-c", setting)
	}
	log, err := os.Create(filepath.Join(s.directory, "log"))
	require.NoError(s.t, err)
	s.process = s.command("postgres", arguments...)
	s.process.Stdout, s.process.Stderr = log, log
	require.NoError(s.t, s.process.Start())
	require.NoError(s.t, log.Close())
	s.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = process.Wait() // how it has ended is in its log
	}(s.process, s.ended)

	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		connection, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			require.NoError(s.t, connection.Close(ctx))
			return true
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			s.process = nil
			return false
		case <-ctx.Done():
			s.Kill()
			return false
		}
	}
}

// Kill ends all processes of the server at once, as a crash does. The first one is stopped before, so that it does not see
// the others die.
func (s *Server) Kill() {
	s.t.Helper()
	if s.process == nil {
		return
	}
	s.signal(syscall.SIGSTOP, syscall.SIGKILL)
	s.signal(syscall.SIGKILL)
	<-s.ended
	s.process = nil
}

// Pause stops all processes of the server without ending them, and Resume has them go on.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP, syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT, syscall.SIGCONT) }

// signal sends a signal to the server, and then one to each of its processes that serves a connection or does other work.
func (s *Server) signal(first syscall.Signal, others ...syscall.Signal) {
	s.t.Helper()
	parent := s.process.Process.Pid
	require.NoError(s.t, syscall.Kill(parent, first))
	for _, other := range others {
		for _, child := range childrenOf(s.t, parent) {
			if err := syscall.Kill(child, other); err != nil && !errors.Is(err, syscall.ESRCH) {
				s.t.Fatalf("signal process %d of PostgreSQL: %v", child, err)
			}
		}
	}
}

// childrenOf returns the processes that a process has started.
func childrenOf(tb testing.TB, parent int) []int {
	tb.Helper()
	output, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,ppid=").Output()
	require.NoError(tb, err)
	var children []int
	for line := range strings.Lines(string(output)) {
		var process, its int
		if _, err := fmt.Sscan(line, &process, &its); err == nil && its == parent {
			children = append(children, process)
		}
	}
	return children
}

// URL returns where the server is, with the password.
func (s *Server) URL() string {
	return fmt.Sprintf("postgres://tester:%s@127.0.0.1:%d/postgres?sslmode=disable", Password, s.port)
}

// Exec runs a statement.
func (s *Server) Exec(statement string, arguments ...any) {
	s.t.Helper()
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, s.URL())
	require.NoError(s.t, err)
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, statement, arguments...)
	require.NoError(s.t, err)
}
