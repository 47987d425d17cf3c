package measure

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/contender"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// NewTable returns a table without figures, with what can be known of this machine and build.
func NewTable(name string) *result.Table {
	t := &result.Table{
		Name: name, Command: "make -C bench measure TABLES=" + name, Began: time.Now().UTC().Truncate(time.Second),
		Machine: result.Machine(), Go: runtime.Version(), Modules: map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	modules := []string{contender.EtcdModule}
	for _, c := range contender.All() {
		modules = append(modules, c.Module)
	}
	for _, m := range info.Deps {
		if slices.Contains(modules, m.Path) && m.Replace == nil {
			t.Modules[m.Path] = m.Version
		}
	}
	return t
}

// Seconds are durations as the figures of a cell.
func Seconds(durations []time.Duration) []float64 {
	out := make([]float64, len(durations))
	for i, d := range durations {
		out[i] = d.Seconds()
	}
	return out
}
