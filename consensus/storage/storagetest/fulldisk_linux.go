package storagetest

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/consensus/storage"
)

// testFullDisk has a child fill a small file system that is its own: it is seen by nobody else and is gone with it.
func testFullDisk(t *testing.T, engine Engine) {
	t.Helper()
	if _, ok := open(t, engine, engine.Place(t)).(storage.Directory); !ok {
		t.Skip("the storage is in no directory of this machine")
	}
	c, write := newChild(t, "fill", t.TempDir())
	c.command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if err := c.command.Start(); err != nil {
		lacking(t, "no file system can be mounted by this user: %v", err)
	}
	require.NoError(t, write.Close())
	reported := c.reports.Scan()
	err := c.command.Wait()
	t.Logf("%s", &c.output)
	if !reported && err == nil {
		lacking(t, "no file system can be mounted by this user")
	}
	require.NoError(t, err)
}

// lacking skips a test for which this machine lacks something. Where CI=true it must not.
func lacking(t *testing.T, format string, arguments ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, arguments...)
	}
	t.Skipf(format, arguments...)
}

func childFill(t *testing.T, engine Engine, directory string, reports *os.File) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Logf("make mounts private: %v", err)
		return
	}
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		t.Logf("mount a file system: %v", err)
		return
	}
	_, _ = fmt.Fprintln(reports, "mounted")
	fillDisk(t, engine, directory)
}
