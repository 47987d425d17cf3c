package election

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// The file is one line and a JSON object:
//
//	s3lect-election-votes 1 crc32c=5b1d3f60
//	{"node": "a", ...}
//
// The checksum is that of everything behind the first line. Each write replaces the whole file.
const (
	votesMagic   = "s3lect-election-votes"
	votesVersion = 1
	votesHeader  = votesMagic + " %d crc32c=%08x\n"
)

// votesRecord is what a node must remember so that it cannot take part in electing two leaders for one term, and whose it is.
type votesRecord struct {
	Node       string `json:"node"`
	Generation uint32 `json:"generation"`
	Members    []Node `json:"members"`
	// ElectionTimeout is the longest for which the node may have promised its silence to a leader.
	ElectionTimeout time.Duration `json:"electionTimeoutNanos"`
	// CurrentTerm is the highest term the node has known. It votes in none below.
	CurrentTerm uint64 `json:"currentTerm"`
	// VotedTerm and VotedFor are its latest vote.
	VotedTerm uint64 `json:"votedTerm"`
	VotedFor  string `json:"votedFor"`
}

var errVersion = errors.New("it has version")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r votesRecord) encode() ([]byte, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	header := fmt.Sprintf(votesHeader, votesVersion, crc32.Checksum(body, castagnoli))
	return append([]byte(header), body...), nil
}

// decodeVotes reads what encode has written, to the last byte.
func decodeVotes(data []byte) (votesRecord, error) {
	header, body, _ := bytes.Cut(data, []byte("\n"))
	var version int
	var checksum uint32
	if _, err := fmt.Sscanf(string(header)+"\n", votesHeader, &version, &checksum); err != nil {
		return votesRecord{}, fmt.Errorf("its first line is %.60q", header)
	}
	if version != votesVersion {
		return votesRecord{}, fmt.Errorf("%w %d, and this program knows version %d", errVersion, version, votesVersion)
	}
	if actual := crc32.Checksum(body, castagnoli); actual != checksum {
		return votesRecord{}, fmt.Errorf("its checksum is %08x, and not %08x as it says", actual, checksum)
	}
	var r votesRecord
	if err := json.Unmarshal(body, &r); err != nil {
		return votesRecord{}, err
	}
	return r, r.check()
}

// check finds contents that this package never writes.
func (r votesRecord) check() error {
	switch {
	case r.Node == "" || len(r.Members) == 0:
		return errors.New("it does not say whose it is")
	case r.CurrentTerm < r.VotedTerm:
		return fmt.Errorf("its term %d is below that of its vote, %d", r.CurrentTerm, r.VotedTerm)
	case generationOf(r.CurrentTerm) != r.Generation:
		return fmt.Errorf("its term %d is not one of its generation %d", r.CurrentTerm, r.Generation)
	}
	return nil
}

// readVotes returns the record in a file, or an error that is fs.ErrNotExist.
func readVotes(path string) (votesRecord, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return votesRecord{}, err
	}
	r, err := decodeVotes(data)
	if errors.Is(err, errVersion) {
		return votesRecord{}, fmt.Errorf("%w; run the program that wrote it, or a later one", err)
	}
	if err != nil {
		return votesRecord{}, fmt.Errorf("%w: %w. The node may have voted in a term that it would not know of. Leave the "+
			"file as evidence, choose another path, and raise Generation by one on every node of the fleet", ErrDamagedVotes, err)
	}
	return r, nil
}

// writeVotes replaces the file at once: after a crash it has the old contents or the new ones. It returns when they are on
// stable storage. The caller holds the lock of the file.
func writeVotes(path string, r votesRecord) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := writeSynced(next, data); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDirectory makes a rename in the directory last.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened there
	}
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// checkDirectory demands that the directory exists: one that is made here might hide a volume that was not mounted, and
// with it the votes.
func checkDirectory(path string) error {
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %s does not exist: make it, or mount it; it is not made here because the votes would "+
			"be lost if they were on a volume that is not mounted", directory)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", directory)
	}
	return nil
}
