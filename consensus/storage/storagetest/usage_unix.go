//go:build unix

package storagetest

import (
	"io/fs"
	"syscall"
)

// allocated returns how much of the disk a file has: less than its size if it has holes.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
