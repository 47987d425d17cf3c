//go:build !unix

package process

import "os/exec"

// separate does nothing: without process groups the program alone is ended.
func separate(*exec.Cmd) {}

func killRest(*exec.Cmd) {}
