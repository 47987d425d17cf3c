//go:build !unix

package storagetest

import "io/fs"

func allocated(info fs.FileInfo) int64 { return info.Size() }
