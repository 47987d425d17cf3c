package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what a binary knows about its making.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *App) newVersionCommand() *cobra.Command {
	var o output
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: `  raftd version --output json`,
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			return o.print(a.Stdout, b, b.write)
		},
	}
	o.addFlag(cmd)
	return cmd
}

func readBuild() build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) write(w io.Writer) {
	fmt.Fprintf(w, "raftd %s (%s, %s)\n", b.Version, b.Go, b.Platform)
	if b.Revision == "" {
		return
	}
	fmt.Fprintf(w, "revision %s of %s", b.Revision, b.Time)
	if b.Modified {
		fmt.Fprint(w, ", modified")
	}
	fmt.Fprintln(w)
}
