package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// lockWait is how long a lock is waited for: the server may take a moment to notice that its holder is dead.
	lockWait  = 5 * time.Second
	lockEvery = 100 * time.Millisecond
	// cancelWait is how long a call whose context has ended waits for the server to confirm its end. After that, the
	// connection is given up.
	cancelWait = 5 * time.Second
)

var errConnectionString = errors.New("the connection string cannot be understood " +
	"(it is not shown, because it may contain a password)")

// connect connects, checks the server and the table, and takes the lock.
func (s *Storage) connect(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return errConnectionString
	}
	if err := checkHosts(config.ConnConfig); err != nil {
		return err
	}
	config.MaxConns = readers
	config.ConnConfig.ConnectTimeout = s.timeout
	config.ConnConfig.BuildContextWatcherHandler = func(connection *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: connection, DeadlineDelay: cancelWait}
	}
	if s.writer, err = pgx.ConnectConfig(ctx, config.ConnConfig.Copy()); err != nil {
		return err
	}
	if err = s.prepare(ctx); err == nil {
		s.reader, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	}
	if err != nil {
		return errors.Join(err, s.writer.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// checkHosts refuses several servers: what one has answered for need not be on another one.
func checkHosts(config *pgx.ConnConfig) error {
	for _, fallback := range config.Fallbacks { // there is one for another mode of TLS, too
		if fallback.Host != config.Host || fallback.Port != config.Port {
			return errors.New("the connection string names several servers: one must be chosen")
		}
	}
	return nil
}

func (s *Storage) prepare(ctx context.Context) error {
	if err := s.setSession(ctx); err != nil {
		return err
	}
	if err := checkServer(ctx, s.writer); err != nil {
		return err
	}
	if err := s.table.create(ctx, s.writer); err != nil {
		return err
	}
	return s.lock(ctx)
}

// setSession has the session wait for as long as it takes, and the server notice soon that this machine is gone. Settings
// that the server does not have are left out.
func (s *Storage) setSession(ctx context.Context) error {
	_, err := s.writer.Exec(ctx, `
		SELECT set_config(wanted.name, wanted.value, false)
		FROM pg_settings
		JOIN (VALUES
			('statement_timeout', '0'),
			('lock_timeout', '0'),
			('idle_session_timeout', '0'),
			('idle_in_transaction_session_timeout', '0'),
			('tcp_keepalives_idle', '5'),
			('tcp_keepalives_interval', '3'),
			('tcp_keepalives_count', '3'),
			('tcp_user_timeout', '15000')
		) AS wanted (name, value) USING (name)`)
	if err != nil {
		return fmt.Errorf("set up session: %w", err)
	}
	var commit string
	if err := s.writer.QueryRow(ctx, "SELECT current_setting('synchronous_commit')").Scan(&commit); err != nil {
		return fmt.Errorf("set up session: %w", err)
	}
	if commit != "off" {
		return nil
	}
	s.logger.Warn("server has synchronous_commit off: it is turned on for this storage", "table", s.table.String())
	if _, err := s.writer.Exec(ctx, "SET synchronous_commit = on"); err != nil {
		return fmt.Errorf("set up session: %w", err)
	}
	return nil
}

// checkServer refuses servers that cannot keep what they have answered for.
func checkServer(ctx context.Context, connection *pgx.Conn) error {
	var fsync, pages string
	var standby bool
	if err := connection.QueryRow(ctx,
		"SELECT current_setting('fsync'), current_setting('full_page_writes'), pg_is_in_recovery()",
	).Scan(&fsync, &pages, &standby); err != nil {
		return fmt.Errorf("check server: %w", err)
	}
	switch {
	case standby:
		return errors.New("the server is a standby: connect to its primary")
	case fsync != "on":
		return errors.New("the server has fsync off and would lose what it has answered for: turn it on in postgresql.conf")
	case pages != "on":
		return errors.New("the server has full_page_writes off and may not survive a crash: turn it on in postgresql.conf")
	}
	return nil
}

// lock takes the table's lock.
func (s *Storage) lock(ctx context.Context) error {
	enough := time.NewTimer(lockWait)
	defer enough.Stop()
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	for {
		taken, err := s.table.lock(ctx, s.writer)
		if err != nil {
			return fmt.Errorf("take lock: %w", err)
		}
		if taken {
			return nil
		}
		select {
		case <-ticker.C:
		case <-enough.C:
			return errors.New("it is in use by another process, or opened twice by this one")
		case <-ctx.Done():
			return fmt.Errorf("it is in use: %w", ctx.Err())
		}
	}
}
