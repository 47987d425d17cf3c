//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresServer is a PostgreSQL server on loopback with the settings it comes with: what it has answered is synced.
type postgresServer struct {
	directory string
	port      int
	process   *exec.Cmd
}

// findPostgres returns the path of a program of PostgreSQL. Debian keeps them out of the way.
func findPostgres(program string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err == nil && len(found) > 0 {
		return found[len(found)-1], nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL's %s is not installed; leave postgres out with -stores: %w", program, err)
	}
	return path, nil
}

func startPostgres(ctx context.Context, directory string) (*postgresServer, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	s := &postgresServer{directory: directory, port: ports[0]}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	credential, err := unprivileged(directory)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(directory, "data")
	initialise, err := s.command("initdb", credential, "--pgdata="+data, "--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C")
	if err != nil {
		return nil, err
	}
	if output, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, output)
	}
	s.process, err = s.command("postgres", credential, "-D", data, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=400")
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// unprivileged gives a directory to the user that the server is run by, if this process is root's: PostgreSQL refuses to
// be.
func unprivileged(directory string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(directory, int(uid), int(gid))
}

// command is not bound to a context: the server outlives the call that starts it, and is ended by Close.
func (s *postgresServer) command(program string, credential *syscall.Credential, arguments ...string) (*exec.Cmd, error) {
	path, err := findPostgres(program)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(context.Background(), path, arguments...)
	command.Dir = s.directory
	command.Env = append(os.Environ(), "LC_ALL=C")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Pdeathsig: syscall.SIGINT}
	return command, nil
}

func (s *postgresServer) url() string {
	return fmt.Sprintf("postgres://bench@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

func (s *postgresServer) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		connection, err := pgx.Connect(ctx, s.url())
		if err == nil {
			return connection.Close(ctx)
		}
		if pauseErr := pause(ctx, 20*time.Millisecond); pauseErr != nil {
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

// Close ends the server as its fast shutdown does.
func (s *postgresServer) Close() error {
	if err := s.process.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	_ = s.process.Wait() // it was told to end
	return nil
}

func dropTable(ctx context.Context, url, table string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{table}.Sanitize())
	return errors.Join(err, connection.Close(ctx))
}
