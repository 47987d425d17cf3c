package raftstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/seed-6dc909bb/s3lect/consensus/internal/enginelog"
)

// The names that raft.FileSnapshotStore uses.
const (
	snapshotsDirectory = "snapshots"
	unfinishedSuffix   = ".tmp"
	metaFile           = "meta.json"
	stateFile          = "state.bin"
)

// snapshotFiles is raft.FileSnapshotStore with a strict look at what is there.
type snapshotFiles struct {
	directory string
	files     *raft.FileSnapshotStore
}

func openSnapshotFiles(base string, retain int, logger *slog.Logger) (*snapshotFiles, error) {
	directory := filepath.Join(base, snapshotsDirectory)
	unfinished, err := filepath.Glob(filepath.Join(directory, "*"+unfinishedSuffix))
	if err != nil {
		return nil, err
	}
	for _, path := range unfinished {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
		logger.Info("unfinished snapshot removed", "path", path)
	}
	files, err := raft.NewFileSnapshotStoreWithLogger(base, retain, enginelog.New(logger, "snapshot: ", slog.LevelError, slog.LevelWarn))
	if err != nil {
		return nil, err
	}
	return &snapshotFiles{directory: directory, files: files}, nil
}

// snapshotNames returns the names of the finished snapshots below a directory, the newest one first.
func snapshotNames(base string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(base, snapshotsDirectory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasSuffix(entry.Name(), unfinishedSuffix) {
			names = append(names, entry.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return compareNames(b, a) })
	return names, nil
}

// compareNames orders names, which are term, index and time, by their age.
func compareNames(a, b string) int {
	var left, right [3]uint64
	_, _ = fmt.Sscanf(a, "%d-%d-%d", &left[0], &left[1], &left[2])
	_, _ = fmt.Sscanf(b, "%d-%d-%d", &right[0], &right[1], &right[2])
	return slices.Compare(left[:], right[:])
}

func (f *snapshotFiles) newest() (*raft.SnapshotMeta, error) {
	names, err := snapshotNames(filepath.Dir(f.directory))
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	if len(names) == 0 {
		return nil, nil
	}
	return f.describe(names[0])
}

// describe reads the description of a snapshot and holds it against everything that can be known without reading the
// snapshot itself.
func (f *snapshotFiles) describe(id string) (*raft.SnapshotMeta, error) {
	var meta raft.SnapshotMeta
	text, err := os.ReadFile(filepath.Join(f.directory, id, metaFile))
	if err != nil {
		return nil, f.judged(id, err)
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return nil, corruptSnapshot(id, fmt.Errorf("%s: %w", metaFile, err))
	}
	if meta.ID != id || !strings.HasPrefix(id, fmt.Sprintf("%d-%d-", meta.Term, meta.Index)) {
		return nil, corruptSnapshot(id, fmt.Errorf("%s describes snapshot %q of term %d, index %d", metaFile, meta.ID, meta.Term, meta.Index))
	}
	if meta.Version < raft.SnapshotVersionMin || meta.Version > raft.SnapshotVersionMax {
		return nil, corruptSnapshot(id, fmt.Errorf("its version %d is not known", meta.Version))
	}
	state, err := os.Stat(filepath.Join(f.directory, id, stateFile))
	if err != nil {
		return nil, f.judged(id, err)
	}
	if state.Size() != meta.Size {
		return nil, corruptSnapshot(id, fmt.Errorf("%s has %d bytes instead of %d", stateFile, state.Size(), meta.Size))
	}
	return &meta, nil
}

func (f *snapshotFiles) open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if _, err := f.describe(id); err != nil {
		return nil, nil, err
	}
	meta, content, err := f.files.Open(id) // compares the checksum of all of it
	if err != nil {
		return nil, nil, f.judged(id, err)
	}
	return meta, content, nil
}

// judged tells a damaged snapshot from one that cannot be read at the moment, and from one that has made room for a
// newer one since it was listed.
func (f *snapshotFiles) judged(id string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read snapshot %s: %w", id, err)
	}
	if _, gone := os.Stat(filepath.Join(f.directory, id)); errors.Is(gone, fs.ErrNotExist) {
		return fmt.Errorf("read snapshot %s: %w", id, gone)
	}
	return corruptSnapshot(id, err)
}

func (f *snapshotFiles) create(meta raft.SnapshotMeta, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := f.files.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, trans)
	if err != nil {
		return nil, fmt.Errorf("create snapshot: %w", err)
	}
	return &fileSink{SnapshotSink: sink, directory: f.directory}, nil
}

// fileSink leaves nothing behind after an error, which would fill a disk that is full already.
type fileSink struct {
	raft.SnapshotSink
	directory string
}

func (s *fileSink) Close() error {
	if err := s.SnapshotSink.Close(); err != nil {
		_ = os.RemoveAll(filepath.Join(s.directory, s.ID()+unfinishedSuffix))
		return fmt.Errorf("finish snapshot %s: %w", s.ID(), err)
	}
	return nil
}

func (s *fileSink) Cancel() error {
	err := s.SnapshotSink.Cancel()
	if err != nil {
		_ = os.RemoveAll(filepath.Join(s.directory, s.ID()+unfinishedSuffix))
	}
	return err
}
