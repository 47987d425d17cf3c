// Package storagetest tells whether an implementation of storage.Storage keeps the contract. A package with an engine
// has one test of it:
//
//	func TestStorage(t *testing.T) {
//		storagetest.Run(t, storagetest.Engine{
//			Place: func(t testing.TB) string { return t.TempDir() },
//			Open:  func(place string) (storage.Storage, error) { return bbolt.Open(place) },
//		})
//	}
//
// Run starts the test's own binary again and again, has it write, and kills it in the midst of that (SIGKILL): the
// test that calls Run must not do anything before that needs other processes, such as starting a server. Place is
// called in the first process only and may.
package storagetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// Engine is an implementation under test.
type Engine struct {
	// Place returns a new and empty place for a storage, such as a directory or a URL, and has it removed when
	// the test ends.
	Place func(t testing.TB) string
	// Open opens the storage at a place, with what has been written there before.
	Open func(place string) (storage.Storage, error)
	// Volatile says that nothing outlives the process, and leaves out all tests of what does.
	Volatile bool
}

// Run runs all tests of the contract. What it finds wrong are errors of subtests.
func Run(t *testing.T, engine Engine) {
	t.Helper()
	if beChild(t, engine) {
		return
	}
	for _, test := range []struct {
		name string
		test func(t *testing.T, s storage.Storage)
	}{
		{"WhatIsSetIsRead", testSet},
		{"WhatIsDeletedIsNotFound", testDelete},
		{"SlicesHandedInAreNotKept", testSlicesIn},
		{"SlicesHandedOutAreTheCallers", testSlicesOut},
		{"KeysOfEveryByteAreDistinct", testBinaryKeys},
		{"KeysAndValuesOutsideTheLimitsAreRefused", testLimits},
		{"TheLargestValueIsKept", testLargestValue},
		{"BatchesAreDoneInTheirOrder", testBatchOrder},
		{"ABatchThatIsNotAllowedDoesNothing", testBatchRefused},
		{"AnEmptyBatchDoesNothing", testBatchEmpty},
		{"ABatchMayBeLarge", testBatchLarge},
		{"RangesAreInTheOrderOfTheKeys", testRangeOrder},
		{"RangesHaveBounds", testRangeBounds},
		{"RangesAgreeWithAModel", testRangeModel},
		{"TheLastKeyIsFoundAfterTheHeadIsDeleted", testRangeAfterTrim},
		{"SpaceOfWhatIsDeletedIsGivenBack", testTrim},
		{"AnEndedContextIsRefused", testEndedContext},
		{"WritersAndReadersDoNotDisturbEachOther", testConcurrency},
		{"ReadsSeeWhatWasAnsweredBefore", testReadYourWrites},
		{"CallsAfterCloseAreRefused", testClosed},
		{"CloseWaitsForCallsThatRun", testCloseWhileBusy},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.test(t, open(t, engine, engine.Place(t)))
		})
	}
	t.Run("WhatWasWrittenIsThereAfterReopening", func(t *testing.T) { testReopen(t, engine) })
	if engine.Volatile {
		return
	}
	for _, test := range []struct {
		name string
		test func(t *testing.T, engine Engine)
	}{
		{"ASecondUserIsRefused", testSecondUser},
		{"ASecondProcessIsRefused", testSecondProcess},
		{"NothingAnsweredIsLostWhenTheProcessIsKilled", testKill},
		{"NothingAnsweredIsLostWhenTheDiskIsFull", testFullDisk},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // they wait for other processes, for locks and for the disk
			test.test(t, engine)
		})
	}
}

// open opens a storage and has it closed at the end of the test.
func open(t *testing.T, engine Engine, place string) storage.Storage {
	t.Helper()
	s, err := engine.Open(place)
	require.NoError(t, err, "open %s", place)
	t.Cleanup(func() { require.NoError(t, s.Close(), "close") })
	return s
}
