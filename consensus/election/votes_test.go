package election

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func threeNodes() []Node {
	return []Node{
		{ID: "a", Address: "127.0.0.1:7001"}, {ID: "b", Address: "127.0.0.1:7002"}, {ID: "c", Address: "127.0.0.1:7003"},
	}
}

func votesConfig(t *testing.T) Config {
	t.Helper()
	return Config{Node: Node{ID: "a"}, Peers: threeNodes(), VotesFile: filepath.Join(t.TempDir(), "votes")}
}

// open opens the votes of a configuration.
func open(t *testing.T, c Config) (*votes, error) {
	t.Helper()
	c, members, err := c.complete()
	require.NoError(t, err)
	v, err := openVotes(c, members, func(error) {})
	if err == nil {
		t.Cleanup(func() { _ = v.close() })
	}
	return v, err
}

func mustOpen(t *testing.T, c Config) *votes {
	t.Helper()
	v, err := open(t, c)
	require.NoError(t, err)
	return v
}

// vote is what the engine does to give one, in term 7 to b.
func vote(t *testing.T, v *votes) {
	t.Helper()
	require.NoError(t, v.SetUint64([]byte("CurrentTerm"), 7))
	require.NoError(t, v.SetUint64([]byte("LastVoteTerm"), 7))
	require.NoError(t, v.Set([]byte("LastVoteCand"), []byte("127.0.0.1:7002")))
}

func TestVotesAreThereAfterARestart(t *testing.T) {
	c := votesConfig(t)
	v := mustOpen(t, c)
	vote(t, v)
	require.NoError(t, v.SetUint64([]byte("CurrentTerm"), 9))
	require.NoError(t, v.close())

	v = mustOpen(t, c)
	current, err := v.GetUint64([]byte("CurrentTerm"))
	require.NoError(t, err)
	assert.Equal(t, uint64(9), current)
	voted, err := v.GetUint64([]byte("LastVoteTerm"))
	require.NoError(t, err)
	assert.Equal(t, uint64(7), voted)
	candidate, err := v.Get([]byte("LastVoteCand"))
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:7002", string(candidate))
}

func TestMissingVotesAreToldAsTheEngineWantsThem(t *testing.T) {
	v := mustOpen(t, votesConfig(t))
	_, err := v.GetUint64([]byte("LastVoteTerm"))
	assert.EqualError(t, err, "not found")
	_, err = v.Get([]byte("LastVoteCand"))
	assert.EqualError(t, err, "not found")
	_, err = v.Get([]byte("SomethingElse"))
	assert.EqualError(t, err, "not found")
	assert.Error(t, v.Set([]byte("SomethingElse"), nil), "what cannot be kept must not seem to be")
	assert.Error(t, v.SetUint64([]byte("SomethingElse"), 1))
}

func TestDamagedVotesAreRefusedAndLeftAlone(t *testing.T) {
	c := votesConfig(t)
	v := mustOpen(t, c)
	vote(t, v)
	require.NoError(t, v.close())
	sound, err := os.ReadFile(c.VotesFile)
	require.NoError(t, err)

	damages := map[string]string{
		"empty":           "",
		"cut short":       string(sound[:len(sound)-3]),
		"a line only":     strings.SplitAfter(string(sound), "\n")[0],
		"another file":    "hello\n",
		"zeros":           strings.Repeat("\x00", len(sound)),
		"more at its end": string(sound) + " ",
	}
	for i := range sound {
		changed := []byte(string(sound))
		changed[i] ^= 1
		if i != strings.Index(string(sound), "1 crc") { // the version
			damages[fmt.Sprintf("bit of byte %d", i)] = string(changed)
		}
	}
	for name, contents := range damages {
		require.NoError(t, os.WriteFile(c.VotesFile, []byte(contents), 0o600))
		_, err := open(t, c)
		require.ErrorIs(t, err, ErrDamagedVotes, name)
		require.ErrorIs(t, err, ErrVotes, name)
		require.ErrorContains(t, err, c.VotesFile)
		require.ErrorContains(t, err, "raise Generation")
		after, err := os.ReadFile(c.VotesFile)
		require.NoError(t, err)
		require.Equal(t, contents, string(after), "the evidence was changed")
	}
}

func TestVotesOfALaterVersionAreNotCalledDamaged(t *testing.T) {
	c := votesConfig(t)
	require.NoError(t, os.WriteFile(c.VotesFile, []byte("s3lect-election-votes 2 crc32c=00000000\n{}\n"), 0o600))
	_, err := open(t, c)
	require.ErrorIs(t, err, ErrVotes)
	require.NotErrorIs(t, err, ErrDamagedVotes)
	assert.ErrorContains(t, err, "version 2, and this program knows version 1")
}

func TestVotesOfImpossibleContentsAreDamaged(t *testing.T) {
	c := votesConfig(t)
	v := mustOpen(t, c)
	sound := v.record
	require.NoError(t, v.close())
	for name, change := range map[string]func(*votesRecord){
		"term below the vote":       func(r *votesRecord) { r.VotedTerm = r.CurrentTerm + 1 },
		"term of later generation":  func(r *votesRecord) { r.CurrentTerm = 3 << 32 },
		"nobody's":                  func(r *votesRecord) { r.Node = "" },
		"without members":           func(r *votesRecord) { r.Members = nil },
		"generation without a term": func(r *votesRecord) { r.Generation = 1 },
	} {
		record := sound
		change(&record)
		require.NoError(t, writeVotes(c.VotesFile, record))
		_, err := open(t, c)
		require.ErrorIs(t, err, ErrDamagedVotes, name)
	}
}

func TestVotesOfAnotherNodeAreRefused(t *testing.T) {
	c := votesConfig(t)
	require.NoError(t, mustOpen(t, c).close())
	c.Node.ID = "b"
	_, err := open(t, c)
	require.ErrorIs(t, err, ErrForeignVotes)
	assert.ErrorContains(t, err, "those of node a, and this is node b")
}

func TestVotesOfAnotherMembershipAreRefusedUntilTheGenerationIsRaised(t *testing.T) {
	c := votesConfig(t)
	v := mustOpen(t, c)
	vote(t, v)
	require.NoError(t, v.close())

	for name, peers := range map[string][]Node{
		"another address": {{ID: "b", Address: "127.0.0.1:7009"}, {ID: "c", Address: "127.0.0.1:7003"}},
		"a node less":     {{ID: "b", Address: "127.0.0.1:7002"}},
		"a vote less":     {{ID: "b", Address: "127.0.0.1:7002", NoVote: true}, {ID: "c", Address: "127.0.0.1:7003"}},
	} {
		c.Node, c.Peers = threeNodes()[0], peers
		_, err := open(t, c)
		require.ErrorIs(t, err, ErrForeignVotes, name)
		require.ErrorContains(t, err, "raise Generation from 0 to 1")
		require.ErrorContains(t, err, "b at 127.0.0.1:7002", "what the members were")
	}

	c.Generation = 1
	v = mustOpen(t, c)
	term, err := v.GetUint64([]byte("CurrentTerm"))
	require.NoError(t, err)
	assert.Equal(t, uint64(1)<<32+1, term)
	_, err = v.Get([]byte("LastVoteCand"))
	require.Error(t, err, "a vote of the earlier generation counts in the later one")
	require.NoError(t, v.close())

	c.Generation = 0
	_, err = open(t, c)
	require.ErrorIs(t, err, ErrForeignVotes)
	assert.ErrorContains(t, err, "generation 1, and Generation is 0")
}

func TestTagsAreNoPartOfTheMembership(t *testing.T) {
	c := votesConfig(t)
	require.NoError(t, mustOpen(t, c).close())
	c.Peers[1].Tags = map[string]string{"zone": "x"}
	mustOpen(t, c)
}

func TestVotesFileBelongsToOneProcess(t *testing.T) {
	c := votesConfig(t)
	v := mustOpen(t, c)
	_, err := open(t, c)
	require.ErrorIs(t, err, ErrVotes)
	require.ErrorContains(t, err, "another process uses it")
	require.NoError(t, v.close())
	mustOpen(t, c)
}

func TestMissingDirectoryIsNotMade(t *testing.T) {
	c := votesConfig(t)
	c.VotesFile = filepath.Join(filepath.Dir(c.VotesFile), "missing", "votes")
	_, err := open(t, c)
	require.ErrorIs(t, err, ErrVotes)
	assert.ErrorContains(t, err, "does not exist")
	assert.NoDirExists(t, filepath.Dir(c.VotesFile))
}

// breakDisk has the next write of the votes fail as on a full disk.
func breakDisk(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs a device that is always full: ", err)
	}
	require.NoError(t, os.Symlink("/dev/full", path+".new"))
}

func TestNoVoteIsGivenOnceTheDiskHasFailed(t *testing.T) {
	c, members, err := votesConfig(t).complete()
	require.NoError(t, err)
	var told []error
	v, err := openVotes(c, members, func(err error) { told = append(told, err) })
	require.NoError(t, err)
	t.Cleanup(func() { _ = v.close() })
	vote(t, v)

	breakDisk(t, c.VotesFile)
	require.NoError(t, v.SetUint64([]byte("CurrentTerm"), 8), "an error here would make the engine panic")
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], ErrVotes)
	require.ErrorContains(t, told[0], "no space left")
	require.NoError(t, os.Remove(c.VotesFile+".new"))
	assert.ErrorIs(t, v.SetUint64([]byte("LastVoteTerm"), 8), ErrVotes, "the term was not kept, so that the vote must not be given")
	assert.ErrorIs(t, v.Set([]byte("LastVoteCand"), []byte("x")), ErrVotes)
	assert.Len(t, told, 1, "told again")
	require.NoError(t, v.close())

	v = mustOpen(t, votesConfigAt(c.VotesFile))
	voted, err := v.GetUint64([]byte("LastVoteTerm"))
	require.NoError(t, err)
	assert.Equal(t, uint64(7), voted)
}

func votesConfigAt(path string) Config {
	return Config{Node: Node{ID: "a"}, Peers: threeNodes(), VotesFile: path}
}

func TestFullDiskIsFoundAtTheStart(t *testing.T) {
	c := votesConfig(t)
	breakDisk(t, c.VotesFile)
	_, err := open(t, c)
	require.ErrorIs(t, err, ErrVotes)
	assert.ErrorContains(t, err, "no space left")
}

func TestElectionEndsWhenItsVotesCannotBeKept(t *testing.T) {
	c := newFleet(t, 1, 0).config("a")
	e, err := New(c)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(t.Context()) }()
	require.Eventually(t, e.IsLeader, 10*time.Second, time.Millisecond)
	require.NoError(t, e.Stop(t.Context()))
	require.NoError(t, <-ended)

	e, err = New(c)
	require.NoError(t, err)
	go func() { ended <- e.Run(t.Context()) }()
	require.Eventually(t, func() bool { return e.CurrentState() == StateFollower }, 10*time.Second, 100*time.Microsecond)
	breakDisk(t, c.VotesFile)
	err = <-ended
	require.ErrorIs(t, err, ErrVotes)
	assert.ErrorContains(t, err, "no space left")
	assert.False(t, e.IsLeader(), "it leads by a vote that was not kept")
	var reported []error
	for err := range e.Errors() {
		reported = append(reported, err)
	}
	var broken *VotesError
	require.ErrorAs(t, errors.Join(reported...), &broken)
	assert.Equal(t, c.VotesFile, broken.Path)
}

func FuzzVotesFileOfAnyContentsIsReadOrRefused(f *testing.F) {
	sound, err := votesRecord{Node: "a", Members: threeNodes(), CurrentTerm: 7}.encode()
	require.NoError(f, err)
	f.Add(sound)
	f.Add([]byte("s3lect-election-votes 1 crc32c=00000000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := decodeVotes(data)
		if err != nil {
			return
		}
		again, err := record.encode()
		require.NoError(t, err)
		same, err := decodeVotes(again)
		require.NoError(t, err)
		require.Equal(t, record, same)
	})
}
