//go:build !windows

package demo

import "os"

// enableSequences says whether the terminal obeys escape sequences: terminals here do.
func enableSequences(*os.File) bool { return true }
