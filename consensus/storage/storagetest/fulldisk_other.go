//go:build !linux

package storagetest

import (
	"os"
	"testing"
)

func testFullDisk(t *testing.T, _ Engine) {
	t.Helper()
	t.Skip("a small file system is mounted on Linux only")
}

func childFill(*testing.T, Engine, string, *os.File) {}
