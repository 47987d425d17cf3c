package demo

import (
	"fmt"
	"strings"
	"time"
)

const (
	minWidth = 60
	maxWidth = 100 // wider lines are hard to read
)

// tableWidth is the width that the table of faults needs; below it, faults take two lines.
const tableWidth = 80

func (r *Result) breach() Millis { return r.TwoLeaders }

func (r *Result) keep(dir string) { r.Directory = dir }

// report tells the result to people.
func (r *Result) report(width int) []line {
	width = min(max(width, minWidth), maxWidth) - 1
	lines := append([]line{{}}, flow([]line{
		{{bold, "Who believed to be the leader, and when"}},
		line{}.add(dim, "%d processes, a lease of %v", len(r.Members), time.Duration(r.Lease)),
	}, 2, width)...)
	lines = append(lines, r.chronicle.timeline(width)...)
	lines = append(lines, legend(width)...)
	lines = append(lines, line{})
	lines = append(lines, r.faultTable(width)...)
	lines = append(lines, line{})
	lines = append(lines, labelled(line{{bold, "  Requests to storage"}}, []line{r.Requests.line()}, width)...)
	lines = append(lines, line{})
	return append(append(lines, r.verdict(width)...), line{})
}

func (r requests) line() line {
	return line{}.add(plain, "%d reads, %d writes; %d refused, %d unanswered", r.Reads, r.Writes, r.Refused, r.Failed)
}

// faultTable has a row for each fault.
func (r *Result) faultTable(width int) []line {
	if width < tableWidth-1 {
		return r.narrowFaultTable()
	}
	const next, figures = 33, 52
	rows := []line{
		line{}.pad(figures).add(dim, "%8s %8s %9s", "it took", "old one", "nobody"),
		line{{bold, "  What happened to the leader"}}.pad(next).add(bold, "Next leader").pad(figures).
			add(dim, "%8s %8s %9s", "in all", "led on", "led"),
	}
	for _, f := range r.Faults {
		row := f.line().pad(next).add(plain, "%s", f.successor())
		if f.Successor != "" {
			row = row.pad(figures).add(bold, "%8s", seconds(time.Duration(f.Failover))).
				add(plain, " %8s %9s", seconds(time.Duration(f.Outlived)), seconds(time.Duration(f.Leaderless)))
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *Result) narrowFaultTable() []line {
	rows := []line{{{bold, "  What happened to the leader"}}}
	for _, f := range r.Faults {
		second := line{}.add(plain, "    → %s", f.successor())
		if f.Successor != "" {
			second = second.add(plain, " after ").add(bold, "%s", seconds(time.Duration(f.Failover))).
				add(plain, "; nobody led for %s", seconds(time.Duration(f.Leaderless)))
		}
		rows = append(rows, f.line(), second)
	}
	return rows
}

func (f Fault) line() line {
	return line{{plain, "  "}}.add(bold, "%s", f.Member).add(plain, " %s", f.words.done)
}

func (f Fault) successor() string {
	if f.Successor == "" {
		return "none"
	}
	return fmt.Sprintf("%s, term %d", f.Successor, f.Term)
}

// labelled sets values beside a label, or below it where that is too wide.
func labelled(label line, values []line, width int) []line {
	const column = 33
	if width < tableWidth-1 {
		lines := []line{label}
		for _, v := range values {
			lines = append(lines, append(line{{plain, "    "}}, v...))
		}
		return lines
	}
	lines := []line{append(label.pad(column), values[0]...)}
	for _, v := range values[1:] {
		lines = append(lines, append(line{}.pad(column), v...))
	}
	return lines
}

// verdict is what it was all about.
func (r *Result) verdict(width int) []line {
	if r.TwoLeaders == 0 {
		return labelled(line{{leads, "  ✓ Never two leaders"}}, []line{
			{{leads, "0 ms"}, {plain, " during which two believed to lead"}},
			line{}.add(dim, "%s samples; unseen in between: at most %s", thousands(r.Samples), millis(r.TwoLeadersAtMost)),
		}, width)
	}
	values := []line{{{hurt, millis(r.TwoLeaders)}, {plain, " during which two believed to lead"}}}
	for i, o := range r.Overlaps {
		if i == 5 {
			values = append(values, line{}.add(plain, "and %d times more", len(r.Overlaps)-i))
			break
		}
		values = append(values, line{}.add(plain, "%s from %s for %s",
			strings.Join(o.Processes, ", "), strings.TrimSpace(stamp(time.Duration(o.From))), millis(o.To-o.From)))
	}
	return labelled(line{{hurt, "  ✗ TWO LEADERS"}}, values, width)
}

// millis writes milliseconds without needless decimals.
func millis(m Millis) string {
	if m == 0 {
		return "0 ms"
	}
	return fmt.Sprintf("%.3f ms", float64(m)/float64(time.Millisecond))
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
