//go:build !unix

package demo

import (
	"errors"
	"os"
)

// canFreeze says that this system can stop a process and continue it.
const canFreeze = false

func freeze(*os.Process) error { return errors.ErrUnsupported }
func thaw(*os.Process) error   { return errors.ErrUnsupported }
