package report

import (
	"maps"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// beside returns the tables with the figures of etcd, which is measured apart because its time is real, among those of the
// others, where they say the same.
func beside(tables map[string]*result.Table) map[string]*result.Table {
	out := maps.Clone(tables)
	apart, known := tables["etcd"]
	if !known {
		return out
	}
	for _, name := range []string{"gaps", "requests"} {
		t, known := tables[name]
		if !known {
			continue
		}
		joined := *t
		joined.Cells = append([]result.Cell(nil), t.Cells...)
		for _, c := range apart.Cells {
			if has(t, c.Case, c.Metric) {
				joined.Cells = append(joined.Cells, c)
			}
		}
		out[name] = &joined
	}
	return out
}

// has reports whether anybody has a figure for this.
func has(t *result.Table, caseName, metric string) bool {
	for _, c := range t.Cells {
		if c.Case == caseName && c.Metric == metric {
			return true
		}
	}
	return false
}
