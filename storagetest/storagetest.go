// Package storagetest checks that an implementation of [s3lect.Storage] keeps the contract on which
// the safety of an election rests. Call [Run] from a test of the implementation.
package storagetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/seed-6dc909bb/s3lect"
)

// An Option relaxes the suite where a storage is known to keep less than the contract.
type Option func(*probe)

// TolerateTornReads accepts that a Get which meets a write answers the ETag of the older version
// with the body of the newer one. Some servers do so now and then. The elector takes such a pair
// for a version of its own and a write with that ETag is refused, so that it stays safe. The
// opposite, a newer ETag with an older body, is never accepted.
func TolerateTornReads() Option { return func(p *probe) { p.tornReads = true } }

// Run runs the suite, each check as a subtest with a storage from open. The storages may be one and
// the same: every check uses keys of its own, below "storagetest/", and deletes them at the end if
// the storage is an [s3lect.Deleter]. The suite makes about two thousand requests. Checks of optional
// capabilities are skipped where the storage lacks them.
func Run(t *testing.T, open func(t *testing.T) s3lect.Storage, options ...Option) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			err := c.against(t.Context(), open(t), options...)
			if errors.Is(err, errSkipped) {
				t.Skip(err)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// errSkipped says that a check does not apply.
var errSkipped = errors.New("not applicable")

// A check is one claim about a storage, named for it. It returns an error instead of failing a
// test, so that storages which must fail it can be tested too.
type check struct {
	name string
	run  func(*probe) error
}

var checks = []check{
	{"AMissingObjectIsNotFound", missingObject},
	{"AnObjectIsCreatedIfAbsent", createIfAbsent},
	{"ASecondCreateIsRefused", createTwice},
	{"ACurrentETagReplaces", replaceCurrent},
	{"AStaleETagIsRefused", replaceStale},
	{"AReplaceOfAMissingObjectIsRefused", replaceMissing},
	{"AnETagChangesWithTheBytes", etagChanges},
	{"EqualBytesCanBeWrittenTwice", equalBytes},
	{"AnEmptyObjectIsNotAMissingOne", emptyObject},
	{"BytesComeBackAsTheyWere", anyBytes},
	{"BytesAreNotShared", unsharedBytes},
	{"OddKeysAreKeptApartOrRefused", oddKeys},
	{"AReadAfterAWriteSeesIt", readAfterWrite},
	{"AnETagPutterAgreesWithGet", etagPutter},
	{"AWriteWhoseReplyIsLostCanBeReadBack", lostReply},
	{"ACancelledContextEndsACall", cancelledContext},
	{"ACancelledWriteIsAllOrNothing", cancelledWrite},
	{"ARaceToCreateHasOneWinner", raceToCreate},
	{"ARaceToReplaceHasOneWinner", raceToReplace},
	{"ACounterRacedByCompareAndSwapIsExact", racedCounter},
	{"ABodyMatchesItsETagUnderWrites", tornReads},
	{"KeysDoNotDisturbEachOther", independentKeys},
	{"ADeletedObjectIsGone", deleted},
	{"AListHasWhatIsThere", list},
	{"GetOrCreateCreatesOnce", createsOnce},
	{"ARaceToGetOrCreateHasOneWinner", raceToGetOrCreate},
	{"AnObjectExpiresWhenItShould", expiry},
	{"ACancelledContextEndsACallOfACapability", cancelledCapability},
}

// orNone is for error texts that must show an error that is missing.
func orNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

func wrongResult(what string, got, want any) error {
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}
