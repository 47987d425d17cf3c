package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// boundMetric is the metric of cells that say what the others of their case must not exceed.
const boundMetric = "bound"

var headings = map[string]string{
	"min": "minimum", "median": "median", "p99": "p99", "max": "maximum", "runs": "runs", boundMetric: "bound",
}

// markdown is a table in the making.
type markdown struct {
	rows  [][]string
	notes []string
}

// add adds a row.
func (m *markdown) add(row ...string) { m.rows = append(m.rows, row) }

// note returns the sign of a footnote.
func (m *markdown) note(text string) string {
	if text == "" {
		return ""
	}
	at := slices.Index(m.notes, text)
	if at < 0 {
		at = len(m.notes)
		m.notes = append(m.notes, text)
	}
	return fmt.Sprintf("<sup>%d</sup>", at+1)
}

// show formats a column of a cell, with the sign of its note.
func (m *markdown) show(c result.Cell, found bool, column string) (string, error) {
	switch {
	case !found:
		return "", nil
	case c.Runs == 0:
		return "–" + m.note(c.Note), nil
	}
	text, err := statistic(c, column)
	return text + m.note(c.Note), err
}

// String is the table, its first row being the heading, with the notes below it. Columns that are the same in all rows
// are for the caller to leave out.
func (m *markdown) String() string {
	var b strings.Builder
	for i, row := range m.rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	for i, note := range m.notes {
		b.WriteString(pickString(i == 0, "\n", "<br>\n") + fmt.Sprintf("<sup>%d</sup> %s", i+1, note))
	}
	if len(m.notes) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

func pickString(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// A line is who was measured in what case.
type line struct{ contender, caseName string }

// lines returns the contenders and cases that have one of the metrics: by cases, in their order in the table.
func lines(t *result.Table, metrics ...string) (all []line) {
	var cases []string
	for _, c := range t.Cells {
		l := line{c.Contender, c.Case}
		if slices.Contains(metrics, c.Metric) && !slices.Contains(all, l) {
			all = append(all, l)
			cases = appendNew(cases, c.Case)
		}
	}
	slices.SortStableFunc(all, func(a, b line) int {
		return cmp.Compare(slices.Index(cases, a.caseName), slices.Index(cases, b.caseName))
	})
	return all
}

// labels returns what is written before each line, and its headings: contenders and cases, where there are several.
func labels(all []line) (headings []string, label func(line) []string) {
	contenders, cases := map[string]bool{}, map[string]bool{}
	for _, l := range all {
		contenders[l.contender], cases[l.caseName] = true, true
	}
	switch {
	case len(contenders) == 1:
		return []string{""}, func(l line) []string { return []string{l.caseName} }
	case len(cases) == 1:
		return []string{""}, func(l line) []string { return []string{l.contender} }
	default:
		return []string{"", ""}, func(l line) []string { return []string{l.caseName, l.contender} }
	}
}

// distribution is a table of one metric: a row for each contender and case, and the columns that are named, of min,
// median, p99, max, runs and bound. Rows in which nothing ever was more than zero are left out if it is to be "nonzero".
func (p *page) distribution(name, metric, columns string, options ...string) (string, error) {
	t, err := p.table(name)
	if err != nil {
		return "", err
	}
	all := lines(t, metric)
	if len(all) == 0 {
		return "", fmt.Errorf("table %s has no %q", name, metric)
	}
	m := &markdown{}
	heading, label := labels(all)
	for column := range strings.FieldsSeq(columns) {
		heading = append(heading, headings[column])
	}
	m.add(heading...)
	for _, l := range all {
		if c, _ := t.Find(l.contender, l.caseName, metric); c.Max == 0 && slices.Contains(options, "nonzero") {
			continue
		}
		row := label(l)
		for i, column := range strings.Fields(columns) {
			cell, found := t.Find(l.contender, l.caseName, metric)
			if i > 0 && cell.Runs > 0 {
				cell.Note = "" // once in a row
			}
			if column == boundMetric {
				cell, found = t.Find(l.contender, l.caseName, boundMetric)
			}
			text, err := m.show(cell, found, pickString(column == boundMetric, "median", column))
			if err != nil {
				return "", err
			}
			row = append(row, text)
		}
		m.add(row...)
	}
	return m.String(), nil
}

// grid is a table with a row for each case and a column for each contender. What stands there is one column of one metric,
// or several, each written as "metric: column".
func (p *page) grid(name string, shown ...string) (string, error) {
	t, err := p.table(name)
	if err != nil {
		return "", err
	}
	metrics, statistics := make([]string, len(shown)), make([]string, len(shown))
	for i, s := range shown {
		metrics[i], statistics[i], _ = strings.Cut(s, ": ")
	}
	all := lines(t, metrics...)
	if len(all) == 0 {
		return "", fmt.Errorf("table %s has none of %q", name, metrics)
	}
	var contenders, cases []string
	for _, l := range all {
		contenders, cases = appendNew(contenders, l.contender), appendNew(cases, l.caseName)
	}
	m := &markdown{}
	m.add(append([]string{""}, contenders...)...)
	for _, caseName := range cases {
		row := []string{caseName}
		for _, contender := range contenders {
			var texts []string
			var note string // once in a field
			for i, metric := range metrics {
				cell, found := t.Find(contender, caseName, metric)
				note = cmp.Or(note, cell.Note)
				cell.Note = ""
				text, err := m.show(cell, found, statistics[i])
				if err != nil {
					return "", err
				}
				texts = append(texts, pickString(found, text, "–"))
			}
			texts = slices.CompactFunc(texts, func(a, b string) bool { // nothing is said but once
				return a == b && (a == "–" || a == "0" || strings.HasPrefix(a, "0 "))
			})
			row = append(row, strings.Join(texts, " / ")+m.note(note))
		}
		m.add(row...)
	}
	return m.String(), nil
}

// columns is a table of one column of several metrics: a row for each contender and case, a column for each metric.
func (p *page) columns(name, column string, metrics ...string) (string, error) {
	t, err := p.table(name)
	if err != nil {
		return "", err
	}
	if len(metrics) == 0 {
		return "", errors.New("name the metrics that are to be shown")
	}
	all := lines(t, metrics...)
	if len(all) == 0 {
		return "", fmt.Errorf("table %s has none of %q", name, metrics)
	}
	m := &markdown{}
	heading, label := labels(all)
	m.add(append(heading, metrics...)...)
	for _, l := range all {
		row := label(l)
		for _, metric := range metrics {
			cell, found := t.Find(l.contender, l.caseName, metric)
			text, err := m.show(cell, found, column)
			if err != nil {
				return "", err
			}
			row = append(row, text)
		}
		m.add(row...)
	}
	return m.String(), nil
}

// everything is a table of one column of all metrics: a row for each metric and case, a column for each contender.
func (p *page) everything(name, column string) (string, error) {
	t, err := p.table(name)
	if err != nil {
		return "", err
	}
	var contenders []string
	var rows [][2]string // metric and case
	for _, c := range t.Cells {
		contenders = appendNew(contenders, c.Contender)
		if row := [2]string{c.Metric, c.Case}; !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	m := &markdown{}
	m.add(append([]string{"", ""}, contenders...)...)
	for _, r := range rows {
		row := []string{r[0], r[1]}
		for _, contender := range contenders {
			cell, found := t.Find(contender, r[1], r[0])
			text, err := m.show(cell, found, column)
			if err != nil {
				return "", err
			}
			row = append(row, text)
		}
		m.add(row...)
	}
	return m.String(), nil
}

// appendNew appends a text that is not there yet.
func appendNew(to []string, text string) []string {
	if slices.Contains(to, text) {
		return to
	}
	return append(to, text)
}
