//go:build unix

package main

import (
	"os"
	"testing"
)

// childVariable makes the test binary the command itself: the processes of these tests are the real thing, and no other
// binary has to be built for them.
const childVariable = "RAFTD_TEST_CHILD"

func TestMain(m *testing.M) {
	// A program with the race detector sleeps for a second when it exits, unless told not to.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	if os.Getenv(childVariable) != "" {
		main()
		panic("main returned")
	}
	code := m.Run()
	_ = os.RemoveAll(built.dir)
	os.Exit(code)
}
