package report

import (
	"fmt"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// drawGaps shows for each fault how long each contender is without a leader.
func drawGaps(t *result.Table) ([]byte, error) {
	const metric = "time without a leader"
	b := bars{axis: metric, shared: true}
	for _, caseName := range casesOf(t, metric) {
		p := panel{title: caseName, spread: true}
		for _, c := range t.Cells {
			if c.Metric == metric && c.Case == caseName {
				p.groups = append(p.groups, group{c.Contender, []result.Cell{c}})
			}
		}
		b.panels = append(b.panels, p)
	}
	return b.drawn(t)
}

// drawCosts shows what one elector costs, alone and among a thousand.
func drawCosts(t *result.Table) ([]byte, error) {
	b := bars{axis: "per elector, median"}
	for _, c := range t.Cells {
		b.series = appendNew(b.series, c.Case)
	}
	for _, metric := range []string{"heap", "stacks", "processor time per minute", "goroutines"} {
		if p := groupedByCase(t, metric, metric, b.series); len(p.groups) > 0 {
			b.panels = append(b.panels, p)
		}
	}
	return b.drawn(t)
}

// drawIsLeader shows how long a question takes.
func drawIsLeader(t *result.Table) ([]byte, error) {
	b := bars{axis: "between two calls, median"}
	b.series = casesOf(t, "IsLeader")
	if p := groupedByCase(t, "IsLeader", "Asking whether one leads", b.series); len(p.groups) > 0 {
		b.panels = append(b.panels, p)
	}
	return b.drawn(t)
}

// groupedByCase is a panel of one metric with a bar for each case.
func groupedByCase(t *result.Table, metric, title string, cases []string) panel {
	p := panel{title: title}
	for _, contender := range contendersOf(t, metric) {
		g := group{label: contender, cells: make([]result.Cell, len(cases))}
		for i, caseName := range cases {
			g.cells[i], _ = t.Find(contender, caseName, metric)
		}
		p.groups = append(p.groups, g)
	}
	return p
}

func (b bars) drawn(t *result.Table) ([]byte, error) {
	if len(b.panels) == 0 {
		return nil, fmt.Errorf("table %s has nothing of what is drawn", t.Name)
	}
	return b.draw()
}

// contendersOf are those who have a metric, in the order of the table.
func contendersOf(t *result.Table, metric string) (all []string) {
	for _, c := range t.Cells {
		if c.Metric == metric {
			all = appendNew(all, c.Contender)
		}
	}
	return all
}

// casesOf are the cases in which a metric was measured, in the order of the table.
func casesOf(t *result.Table, metric string) (all []string) {
	for _, c := range t.Cells {
		if c.Metric == metric {
			all = appendNew(all, c.Case)
		}
	}
	return all
}
