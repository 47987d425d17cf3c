package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// table is where a storage is.
type table struct{ schema, name string } // schema may be empty

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func parseTable(text string) (table, error) {
	if text == "" {
		text = defaultTable
	}
	t := table{name: text}
	if schema, name, ok := strings.Cut(text, "."); ok {
		t = table{schema: schema, name: name}
		if !identifier.MatchString(schema) {
			return table{}, fmt.Errorf("%q is no name of a schema and a table: lower case letters, digits and underscores are allowed", text)
		}
	}
	if !identifier.MatchString(t.name) {
		return table{}, fmt.Errorf("%q is no name of a table: lower case letters, digits and underscores are allowed", text)
	}
	return t, nil
}

func (t table) String() string {
	if t.schema == "" {
		return t.name
	}
	return t.schema + "." + t.name
}

// quoted returns the name for a statement. There is nothing to be escaped in it.
func (t table) quoted() string {
	if t.schema == "" {
		return `"` + t.name + `"`
	}
	return `"` + t.schema + `"."` + t.name + `"`
}

// create creates the table if it is not there, and looks whether it is one that survives a crash.
func (t table) create(ctx context.Context, connection *pgx.Conn) error {
	_, err := connection.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+t.quoted()+` (key bytea PRIMARY KEY, value bytea NOT NULL)
		WITH (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.1)`)
	var failed *pgconn.PgError
	if err != nil && (!errors.As(err, &failed) || failed.Code != codeUniqueViolation) { // another process creates it right now
		return fmt.Errorf("create table: %w", err)
	}
	var persistence, placement string
	if err := connection.QueryRow(ctx, `
		SELECT relpersistence::text, attstorage::text
		FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
		WHERE pg_class.oid = $1::text::regclass AND attname = 'value'`, t.quoted(),
	).Scan(&persistence, &placement); err != nil {
		return fmt.Errorf("look at table: %w", err)
	}
	if persistence != "p" {
		return errors.New("the table is unlogged or temporary and would be empty after a crash: alter it to be logged")
	}
	if placement == "x" { // which has the server try to compress every large value
		if _, err := connection.Exec(ctx, "ALTER TABLE "+t.quoted()+" ALTER COLUMN value SET STORAGE EXTERNAL"); err != nil {
			return fmt.Errorf("alter table: %w", err)
		}
	}
	return nil
}

const codeUniqueViolation = "23505"

// lockSpace tells the locks of this package from those of others.
const lockSpace = 0x53334c43

// lock tries to take the lock of the table and says whether it has.
func (t table) lock(ctx context.Context, connection *pgx.Conn) (taken bool, err error) {
	err = connection.QueryRow(ctx,
		"SELECT pg_try_advisory_lock(($1::bigint << 32) | $2::text::regclass::oid::bigint)", lockSpace, t.quoted(),
	).Scan(&taken)
	return taken, err
}
