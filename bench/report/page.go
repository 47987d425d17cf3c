package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

//go:embed performance.md.tmpl
var performanceText string

//go:embed blocks.md.tmpl
var blocksText string

//go:embed losses.md.tmpl
var lossesText string

// missingTableError is that something was to be shown that has not been measured.
type missingTableError struct{ name string }

func (e missingTableError) Error() string {
	return fmt.Sprintf("there is no table %q; measure it", e.name)
}

// page renders documents. Its methods are what templates call.
type page struct {
	kept   map[string]*result.Table // as they were measured
	tables map[string]*result.Table // with the figures of etcd beside the others'
	text   *template.Template
}

func newPage(tables map[string]*result.Table) (*page, error) {
	p := &page{kept: tables, tables: beside(tables)}
	p.text = template.New("performance").Funcs(template.FuncMap{
		"has":          p.has,
		"value":        p.value,
		"measured":     p.measured,
		"machines":     p.machines,
		"distribution": p.distribution,
		"grid":         p.grid,
		"columns":      p.columns,
		"everything":   p.everything,
		"contenders":   p.contenders,
		"share":        p.share,
		"charts":       func() string { return chartsDir },
	})
	for name, text := range map[string]string{"losses": lossesText, "blocks": blocksText} {
		if _, err := p.text.New(name).Parse(text); err != nil {
			return nil, fmt.Errorf("parse the template of the %s: %w", name, err)
		}
	}
	if _, err := p.text.Parse(performanceText); err != nil {
		return nil, fmt.Errorf("parse the template of the page: %w", err)
	}
	return p, nil
}

// performance returns docs/performance.md.
func (p *page) performance() ([]byte, error) {
	var out bytes.Buffer
	if err := p.text.Execute(&out, nil); err != nil {
		return nil, fmt.Errorf("render docs/performance.md: %w", err)
	}
	return out.Bytes(), nil
}

// block returns what stands between the marks of a name.
func (p *page) block(name string) ([]byte, error) {
	if p.text.Lookup(name) == nil {
		return nil, fmt.Errorf("nothing is measured under the name %q", name)
	}
	var out bytes.Buffer
	if err := p.text.ExecuteTemplate(&out, name, nil); err != nil {
		return nil, fmt.Errorf("render the block %s: %w", name, err)
	}
	return out.Bytes(), nil
}

func (p *page) has(name string) bool { return p.tables[name] != nil }

func (p *page) table(name string) (*result.Table, error) {
	if table := p.tables[name]; table != nil {
		return table, nil
	}
	return nil, missingTableError{name}
}

// value is figures of a cell within a sentence, separated by commas: of min, median, p99, max and runs those that are named.
func (p *page) value(table, contender, caseName, metric, columns string) (string, error) {
	t, err := p.table(table)
	if err != nil {
		return "", err
	}
	c, found := t.Find(contender, caseName, metric)
	if !found {
		return "", fmt.Errorf("table %s has no %q of %q in case %q", table, metric, contender, caseName)
	}
	if c.Runs == 0 {
		return "–", nil
	}
	var all []string
	for column := range strings.FieldsSeq(columns) {
		text, err := statistic(c, column)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return strings.Join(all, ", "), nil
}

// contenders are those of a table, in its order.
func (p *page) contenders(table string) (all []string, err error) {
	t, err := p.table(table)
	if err != nil {
		return nil, err
	}
	for _, c := range t.Cells {
		all = appendNew(all, c.Contender)
	}
	return all, nil
}

// share says in how many of its runs something has happened to a contender, in one case, or in all but
// it together: which is "in" or "but".
func (p *page) share(table, contender, metric, which, caseName string) (string, error) {
	t, err := p.table(table)
	if err != nil {
		return "", err
	}
	if !has(t, caseName, metric) {
		return "", fmt.Errorf("table %s has no %q in case %q", table, metric, caseName)
	}
	happened, runs := 0.0, 0
	for _, c := range t.Cells {
		if c.Metric == metric && c.Contender == contender && (c.Case == caseName) == (which == "in") {
			happened += c.Median
			runs += c.Runs
		}
	}
	if runs == 0 {
		return "–", nil
	}
	return amount(happened, "1") + " of " + amount(float64(runs), "1"), nil
}

// statistic formats one column of a cell.
func statistic(c result.Cell, column string) (string, error) {
	switch column {
	case "min":
		return amount(c.Min, c.Unit), nil
	case "median":
		return amount(c.Median, c.Unit), nil
	case "p99":
		return amount(c.P99, c.Unit), nil
	case "max":
		return amount(c.Max, c.Unit), nil
	case "runs":
		return amount(float64(c.Runs), "1"), nil
	case "most": // whatever of it is the largest
		return amount(max(c.Median, c.Max), c.Unit), nil
	case "percent": // of the median, which is a share
		return percent(c.Median), nil
	case "share": // of a count of runs
		return amount(c.Median, "1") + " of " + amount(float64(c.Runs), "1"), nil
	default:
		return "", fmt.Errorf("%q is no column", column)
	}
}

// runs says over how many runs the figures of a table were taken, or those of a metric, other than bounds and limits. What was
// joined to it is of another measurement.
func (p *page) runs(name string, metric ...string) (string, error) {
	if _, err := p.table(name); err != nil {
		return "", err
	}
	fewest, most := 0, 0
	for _, c := range p.kept[name].Cells {
		counts := len(metric) == 0 || slices.Contains(metric, c.Metric)
		if counts && c.Runs > 0 && !strings.HasPrefix(c.Metric, boundMetric) && c.Contender != limitName {
			most = max(most, c.Runs)
			if fewest == 0 || c.Runs < fewest {
				fewest = c.Runs
			}
		}
	}
	switch {
	case most == 1:
		return "one run", nil
	case fewest == most:
		return amount(float64(most), "1") + " runs", nil
	default:
		return amount(float64(fewest), "1") + " to " + amount(float64(most), "1") + " runs", nil
	}
}

// measured says how and when a table was measured, and by what command. The metric is the one whose values are runs, where those of
// others are something else.
func (p *page) measured(name string, metric ...string) (string, error) {
	t, err := p.table(name)
	if err != nil {
		return "", err
	}
	runs, err := p.runs(name, metric...)
	if err != nil {
		return "", err
	}
	text := "`" + t.Command + "`" + fmt.Sprintf(": %s, measured on %s in %s.", runs, t.Began.UTC().Format(time.DateOnly), took(t.Took))
	if len(t.Cells) > len(p.kept[name].Cells) {
		text += " etcd's figures are of [another measurement](#etcd-in-real-time)."
	}
	return text, nil
}

func took(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(max(d, time.Second).Round(time.Second).Seconds()))
	}
	d = d.Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// machines lists on what the tables were measured, and the versions of what was measured.
func (p *page) machines() string {
	where := map[string][]string{}
	versions := map[string]map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.tables)) {
		t := p.tables[name]
		machine := t.Machine + "; " + t.Go
		where[machine] = append(where[machine], name)
		for module, version := range t.Modules {
			if versions[module] == nil {
				versions[module] = map[string]bool{}
			}
			versions[module][version] = true
		}
	}
	var b strings.Builder
	for _, machine := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(&b, "- %s", machine)
		if len(where) > 1 {
			fmt.Fprintf(&b, " (%s)", strings.Join(where[machine], ", "))
		}
		b.WriteString("\n")
	}
	var all []string
	for _, module := range slices.Sorted(maps.Keys(versions)) {
		all = append(all, module+" "+strings.Join(slices.Sorted(maps.Keys(versions[module])), " and "))
	}
	if len(all) > 0 {
		fmt.Fprintf(&b, "- %s\n", strings.Join(all, ", "))
	}
	return b.String()
}
