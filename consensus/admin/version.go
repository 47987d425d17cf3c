package admin

import "runtime/debug"

const modulePath = "github.com/seed-6dc909bb/s3lect/consensus"

// moduleVersion returns the version of this module in the program, "(devel)" in one that was built from a working copy.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == modulePath && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, module := range info.Deps {
		if module.Path == modulePath {
			return module.Version
		}
	}
	return "(devel)"
}
