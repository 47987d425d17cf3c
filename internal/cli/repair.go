package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/seed-6dc909bb/s3lect"
)

const repairLong = `Show what stands where the leader record should be and what is wrong with it.
With --force, replace it by a fresh, resigned record whose term is above the old
one.

No election overwrites an object that is not a leader record, and none obeys it:
it may be somebody's only copy of something else. When you are sure that it is
not needed, or have it in the backup, --force replaces it. One of more than
1 MiB is never replaced: copy and remove it with the storage's own tools.

Before that, the object is watched for a lease: a leader that still renews would
change it, and one that held it before it was damaged has to find out. Where no
lease can be read out of the object, --lease is the longest that any candidate
uses.

A valid record is replaced only where --replace-valid says so too. That is
hardly ever right: a leader that has died is succeeded without any help.

The term has to stay above all those that any resource has seen. Where the old
one cannot be read any more, --min-term gives a number to start from; look for
it in logs or in what the commands wrote.

What decides about replacing (--force, --replace-valid, --min-term, --backup) is
taken from the command line alone, never from the environment.

Exit status:
  0  nothing is wrong, or it has been repaired
  1  failure; the object is as it was, unless writing it failed: then look again
  2  wrong usage
  4  the object is not a leader record, and --force was not given`

type repairOptions struct {
	place
	force, replaceValid bool
	minTerm             int64
	lease               time.Duration
	backup              string
	asJSON              bool
}

func (a *App) newRepairCommand() *cobra.Command {
	var o repairOptions
	cmd := &cobra.Command{
		Use:   "repair --store URL --key KEY [--force]",
		Short: "Show what is wrong with a leader record, and replace it",
		Long:  repairLong,
		Example: `  # What is wrong?
  s3lect repair --store file:///tmp/jobs --key leader.json

  # Replace it, keep the old bytes in a file, and start above term 1200:
  s3lect repair --store file:///tmp/jobs --key leader.json --force --backup old.bin --min-term 1201`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.force && cmd.Flags().Changed("min-term") {
				return usageErrorf("--min-term needs --force as well")
			}
			return a.repair(cmd.Context(), o)
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.force, "force", false, "replace an object that is not a leader record")
	f.BoolVar(&o.replaceValid, "replace-valid", false, "with --force, replace a valid record too")
	f.Int64Var(&o.minTerm, "min-term", 1, "the lowest `term` that the fresh record may have")
	f.DurationVar(&o.lease, "lease", s3lect.DefaultLeaderTimeout, "`time` to watch the object before it is replaced, where it names no lease: the longest of any candidate")
	f.StringVar(&o.backup, "backup", "", "`file` to keep the old bytes in; it must not exist (default: they are printed)")
	addJSONFlag(cmd, &o.asJSON)
	markFlagOnly(cmd, "force", "replace-valid", "min-term", "backup")
	return cmd
}

// finding is what repair found and did. Its JSON form is part of the command's interface.
type finding struct {
	reading
	Bytes int `json:"bytes"`
	// Old are the old bytes, in base64, where they are kept nowhere else.
	Old []byte `json:"old,omitempty"`
	// Backup is the file that keeps them.
	Backup   string   `json:"backup,omitempty"`
	Repaired *reading `json:"repaired,omitempty"`
}

// maxRepaired is the most that the storages return of an object: of a larger one, a backup would
// not be whole.
const maxRepaired = 1 << 20

// tooLarge reports whether there is more to the object than the storage has returned.
func (f finding) tooLarge() bool { return f.Bytes > maxRepaired }

// snapshot is a storage of one version of one object. Read through it, the record and the bytes are
// surely the same.
type snapshot struct {
	data []byte
	etag string
}

func (s snapshot) Get(context.Context, string) ([]byte, string, error) { return s.data, s.etag, nil }

func (s snapshot) PutIfMatch(context.Context, string, []byte, string) error {
	return errors.New("a snapshot is not written to")
}

func (a *App) repair(ctx context.Context, o repairOptions) error {
	switch {
	case o.minTerm < 1:
		return usageErrorf("--min-term %d must be at least 1", o.minTerm)
	case o.lease <= 0:
		return usageErrorf("--lease %v must be positive", o.lease)
	case o.replaceValid && !o.force:
		return usageErrorf("--replace-valid needs --force as well")
	case o.backup != "" && !o.force:
		return usageErrorf("--backup needs --force as well")
	}
	if _, err := os.Lstat(o.backup); o.backup != "" && err == nil { // before a lease is spent on watching
		return fmt.Errorf("nothing was replaced: the backup %s exists already; name another file", o.backup)
	}
	storage, err := a.openExisting(ctx, o.place)
	if err != nil {
		return err
	}
	data, etag, err := storage.Get(ctx, o.key)
	if errors.Is(err, s3lect.ErrStorageNotFound) {
		return a.showFinding(finding{reading: reading{State: stateAbsent, Key: o.key}}, o)
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", o.key, err)
	}
	r, err := read(ctx, snapshot{data, etag}, o.key)
	if err != nil {
		return err
	}
	r.ETag = etag
	f := finding{reading: r, Bytes: len(data), Old: data}
	if !o.force {
		return a.showFinding(f, o)
	}
	if r.State != stateBad && !o.replaceValid {
		return fmt.Errorf("%q is a valid leader record (%s), and was left as it is; a dead leader is succeeded without help, but --replace-valid replaces it all the same", o.key, stateTexts[r.State])
	}
	if f.tooLarge() {
		return fmt.Errorf("%q has more than %d bytes, which is more than can be backed up, and was left as it is; copy and remove it with the storage's own tools, or choose another key", o.key, maxRepaired)
	}
	return a.replace(ctx, storage, f, o)
}

func (a *App) replace(ctx context.Context, storage s3lect.Storage, f finding, o repairOptions) error {
	if err := a.awaitSilence(ctx, storage, f, o); err != nil {
		return err
	}
	if o.backup != "" {
		if err := writeBackup(o.backup, f.Old); err != nil {
			return fmt.Errorf("nothing was replaced: %w", err)
		}
		f.Old, f.Backup = nil, o.backup
	}
	record, err := s3lect.RepairLeaderRecord(ctx, storage, o.key, f.ETag, o.minTerm)
	if err != nil {
		return err
	}
	repaired := readingOf(record, o.key, time.Now())
	f.Repaired = &repaired
	return a.showFinding(f, o)
}

// awaitSilence watches the object for a lease, and fails if somebody writes it.
func (a *App) awaitSilence(ctx context.Context, storage s3lect.Storage, f finding, o repairOptions) error {
	wait := f.lease(o.lease)
	fmt.Fprintf(a.Stderr, "s3lect: watching %q for %v, in case that somebody writes it\n", o.key, wait)
	for end := time.Now().Add(wait); time.Until(end) > 0; {
		if err := pause(ctx, min(time.Until(end), time.Second)); err != nil {
			return err
		}
		data, etag, err := storage.Get(ctx, o.key)
		if err != nil {
			return fmt.Errorf("read %q: %w", o.key, err)
		}
		if etag != f.ETag || !bytes.Equal(data, f.Old) {
			return fmt.Errorf("%q has been written in the meantime, and was left as it is; end what writes it, or choose another key", o.key)
		}
	}
	return nil
}

// writeBackup writes a file that must not exist yet, to the disk.
func writeBackup(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the backup: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

func (a *App) showFinding(f finding, o repairOptions) error {
	var err error
	if o.asJSON {
		err = writeJSON(a.Stdout, f)
	} else {
		err = f.write(a.Stdout)
	}
	if err != nil {
		return fmt.Errorf("write the finding: %w", err)
	}
	if f.State == stateBad && f.Repaired == nil {
		return &exitError{code: exitBad}
	}
	return nil
}

func (f finding) write(w io.Writer) error {
	var b bytes.Buffer
	if err := f.reading.write(&b); err != nil {
		return err
	}
	switch {
	case f.Old != nil && f.Repaired == nil && f.Bytes > maxShown:
		fmt.Fprintf(&b, "\nThe object, %s, of which these are the first %d%s\n", f.size(), maxShown, shown(f.Old[:maxShown]))
	case f.Old != nil: // which is kept nowhere else if it has been replaced
		fmt.Fprintf(&b, "\nThe object, %s%s\n", f.size(), shown(f.Old))
	case f.Backup != "":
		fmt.Fprintf(&b, "\nThe object's %d bytes are kept in %s.\n", f.Bytes, f.Backup)
	}
	switch {
	case f.Repaired != nil:
		fmt.Fprintf(&b, "\nReplaced by a resigned record with term %d: an election can begin.\n", f.Repaired.Term)
	case f.tooLarge():
		fmt.Fprint(&b, "\nIt is too large to be replaced here: copy and remove it with the storage's own tools,\nor choose another key.\n")
	case f.State == stateBad:
		fmt.Fprint(&b, "\nIf it is not needed, --force replaces it; --backup FILE keeps it in a file.\n")
	default:
		fmt.Fprint(&b, "\nNothing is wrong with it.\n")
	}
	_, err := b.WriteTo(w)
	return err
}

// maxShown is how many bytes of an object that is still there are printed.
const maxShown = 512

// size says how large the object is, as far as the storage tells.
func (f finding) size() string {
	if f.tooLarge() {
		return fmt.Sprintf("more than %d bytes", maxRepaired)
	}
	return fmt.Sprintf("%d bytes", f.Bytes)
}

// shown returns the bytes as they are if they are harmless on a terminal, else in base64.
func shown(data []byte) string {
	if harmless(data) {
		return ":\n" + strings.TrimRight(string(data), "\n")
	}
	return " (base64):\n" + base64.StdEncoding.EncodeToString(data)
}

// harmless tolerates a character that is cut off at the end.
func harmless(data []byte) bool {
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return !utf8.FullRune(data)
		case !unicode.IsPrint(r) && r != '\n' && r != '\t':
			return false
		}
		data = data[size:]
	}
	return true
}
