package report

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// place returns a root with documents that have one block each.
func place(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, "README.md", "before\n<!-- measured: side-by-side -->\nold\n<!-- end -->\nafter\n")
	put(t, root, "docs/operations.md", "before\n<!-- measured: money -->\nold\n<!-- end -->\nafter\n")
	return root
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(text)
}

func TestSameResultsGiveTheSameBytes(t *testing.T) {
	first, err := render(place(t), fixture(), io.Discard)
	require.NoError(t, err)
	second, err := render(place(t), fixture(), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	for _, c := range charts {
		assert.Contains(t, first, chartsDir+"/"+c.name)
	}
}

func TestChartsHaveAWhiteBackgroundAndTheirTextAsText(t *testing.T) {
	files, err := render(place(t), fixture(), io.Discard)
	require.NoError(t, err)
	for _, c := range charts {
		data := files[chartsDir+"/"+c.name]
		decoder := xml.NewDecoder(strings.NewReader(string(data)))
		first, words := "", []string{}
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, c.name)
			switch token := token.(type) {
			case xml.StartElement:
				if token.Name.Local == "path" && first == "" {
					for _, attribute := range token.Attr {
						first += attribute.Value + " "
					}
				}
			case xml.CharData:
				words = append(words, strings.Fields(string(token))...)
			}
		}
		assert.Regexp(t, `^M0,0L620,0L620,\d+(\.\d+)?L0,\d+(\.\d+)?Z fill:#FFFFFF `, first, c.name)
		for _, contender := range []string{"s3lect", "peer", "mode", "client-go", "redsync"} {
			assert.Contains(t, strings.Join(words, " "), contender, c.name)
		}
		assert.Contains(t, string(data), "sans-serif", c.name)
	}
}

func TestTheoreticalLimitIsDrawn(t *testing.T) {
	data, err := drawLeases(fixture()["leases"])
	require.NoError(t, err)
	assert.Contains(t, string(data), "the theoretical limit")
	assert.Equal(t, 1, strings.Count(string(data), " (logarithmic)"), "one axis is")
}

func TestLogarithmicAxesSaySo(t *testing.T) {
	data, err := drawRequests(fixture()["requests"], "requests per month")
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(data), " (logarithmic)"), "both axes are")
}

func TestWhatHasNoPlaceOnALogarithmicAxisIsNotDrawn(t *testing.T) {
	cell := result.Cell{Contender: "s3lect", Case: "4 followers", Metric: "dollars per month", Unit: "$", X: 4}
	nothing, nowhere := cell, cell.Summarize([]float64{2})
	nothing, nowhere.X = nothing.Summarize([]float64{0}), 0
	_, err := drawRequests(&result.Table{Name: "requests", Cells: []result.Cell{nothing, nowhere}}, "dollars per month")
	require.ErrorContains(t, err, `table requests has no "dollars per month"`)
	_, err = drawRequests(&result.Table{Cells: []result.Cell{nothing, nowhere, cell.Summarize([]float64{1})}}, "dollars per month")
	require.NoError(t, err, "one point")
}

func TestWhatStandsBetweenMarksIsReplacedAndNothingElse(t *testing.T) {
	root := place(t)
	require.NoError(t, Render(root, fixture(), io.Discard))
	readme := read(t, root, "README.md")
	assert.True(t, strings.HasPrefix(readme, "before\n<!-- measured: side-by-side -->\n![") && strings.HasSuffix(readme, "\n<!-- end -->\nafter\n"), readme)
	assert.NotContains(t, readme, "old")
	assert.Contains(t, readme, "| client-go | 315 of 3,000 | 45 of 200 | 12.0 s, 20.0 s | 12.0 s, 21.0 s |")
	assert.Contains(t, readme, "| redsync | 783 of 2,400 | 135 of 200 | ", "a fault of which it is spared a part is not the one that is assumed away")
	assert.Contains(t, read(t, root, "docs/operations.md"), "| without peers | 400,000: $0.40 |")
	require.NoError(t, Check(root, fixture(), io.Discard))
	require.NoError(t, Render(root, fixture(), io.Discard))
	assert.Equal(t, readme, read(t, root, "README.md"), "rendered again")
}

func TestWhatNeedsATableThatIsMissingIsLeftAsItIs(t *testing.T) {
	root, tables := place(t), fixture()
	delete(tables, "overlaps")
	delete(tables, "requests")
	var log strings.Builder
	require.NoError(t, Render(root, tables, &log))
	assert.Equal(t, "README.md: side-by-side is left as it was: there is no table \"overlaps\"; measure it\n"+
		"docs/operations.md: money is left as it was: there is no table \"requests\"; measure it\n", log.String())
	assert.Contains(t, read(t, root, "README.md"), "\nold\n")
	assert.Contains(t, read(t, root, "docs/operations.md"), "\nold\n")
	page := read(t, root, "docs/performance.md")
	assert.Contains(t, page, "### Time without a leader")
	assert.NotContains(t, page, "### Two leaders at once")
	assert.NoFileExists(t, filepath.Join(root, chartsDir, "overlaps.svg"))
	require.NoError(t, Check(root, tables, io.Discard))
}

func TestMarksThatCannotBeFilledAreErrors(t *testing.T) {
	for text, message := range map[string]string{
		"<!-- measured: side-by-side -->\nold\n":            "no <!-- end --> after the mark of side-by-side",
		"<!-- measured: the-moon -->\nold\n<!-- end -->\n":  `nothing is measured under the name "the-moon"`,
		"<!-- measured: side-by-side -->\n<!-- measured: m": "no <!-- end -->",
		"<!-- measured: side-by-side -->\r\n<!-- end -->":   "render README.md: it has no marks any more",
	} {
		root := place(t)
		put(t, root, "README.md", text)
		assert.ErrorContains(t, Render(root, fixture(), io.Discard), message)
	}
}

func TestCheckNamesWhatIsStale(t *testing.T) {
	root, tables := place(t), fixture()
	require.ErrorContains(t, Check(root, tables, io.Discard), "README.md, docs/charts/costs.svg")
	require.NoError(t, Render(root, tables, io.Discard))
	require.NoError(t, Check(root, tables, io.Discard))
	put(t, root, "docs/charts/gaps.svg", read(t, root, "docs/charts/gaps.svg")+" ")
	require.ErrorContains(t, Check(root, tables, io.Discard), "render them again: docs/charts/gaps.svg")
	require.NoError(t, Render(root, tables, io.Discard))
	put(t, root, "docs/charts/the-moon.svg", "")
	require.ErrorContains(t, Check(root, tables, io.Discard), "nothing draws docs/charts/the-moon.svg any more")
}

// Each figure that is measured again must show, or it does not come from the measurement.
func TestEveryCellShows(t *testing.T) {
	pageOf := func(tables map[string]*result.Table) string {
		p, err := newPage(tables)
		require.NoError(t, err)
		page, err := p.performance()
		require.NoError(t, err)
		return string(page)
	}
	before := pageOf(fixture())
	for _, name := range slices.Sorted(maps.Keys(fixture())) {
		for i, cell := range fixture()[name].Cells {
			if cell.Runs == 0 {
				continue
			}
			tables := fixture()
			c := &tables[name].Cells[i]
			c.Median, c.Max = c.Median*1.5+1, c.Max*1.5+1
			require.NotEqual(t, before, pageOf(tables), "%s %+v", name, cell)
		}
	}
}

func TestWhatCannotBeMeasuredIsADashWithTheReason(t *testing.T) {
	files, err := render(place(t), fixture(), io.Discard)
	require.NoError(t, err)
	page := string(files["docs/performance.md"])
	assert.Contains(t, page, "| frozen leader | litestream | –<sup>1</sup> | –<sup>1</sup> | –<sup>1</sup> | –<sup>1</sup> |\n")
	assert.Contains(t, page, "\n<sup>1</sup> it ends by itself\n")
	assert.Contains(t, page, "| the record is deleted | 0 of 200<sup>3</sup> |", "what is to be known of a figure is said, too")
	assert.Contains(t, string(files[chartsDir+"/overlaps.svg"]), "the record is deleted *")
}

func TestFiguresOfAFieldThatAreTheSameAreBothSaidUnlessTheyAreNothing(t *testing.T) {
	cell := func(caseName, metric string, v float64) result.Cell {
		return result.Cell{Contender: "a", Case: caseName, Metric: metric, Unit: "s", Note: "known"}.Summarize([]float64{v})
	}
	p, err := newPage(map[string]*result.Table{"x": {Cells: []result.Cell{
		cell("never", "total", 0), cell("never", "longest", 0), cell("once", "total", 2), cell("once", "longest", 2), {Case: "not", Metric: "total", Contender: "a"},
	}}})
	require.NoError(t, err)
	table, err := p.grid("x", "total: median", "longest: max")
	require.NoError(t, err)
	assert.Contains(t, table, "| never | 0 s<sup>1</sup> |\n| once | 2.00 s / 2.00 s<sup>1</sup> |\n| not | – |\n")
}

func TestAxesHaveRoundNumbers(t *testing.T) {
	labels := func(ticker plot.Ticker, from, to float64) (all []string) {
		for _, tick := range ticker.Ticks(from, to) {
			if tick.Label != "" {
				all = append(all, tick.Label)
			}
		}
		return all
	}
	assert.Equal(t, []string{"0", "5", "10", "15", "20", "25"}, labels(linear{}, 0, 28.7))
	assert.Equal(t, []string{"0", "0.2", "0.4", "0.6", "0.8", "1", "1.2"}, labels(linear{}, 0, 1.3))
	assert.Equal(t, []string{"0", "1,000", "2,000", "3,000"}, labels(linear{}, 0, 3999))
	assert.Equal(t, []string{"0.5", "1", "2", "5", "10", "20", "50", "100"}, labels(decades{}, 0.5, 100))
	assert.Equal(t, []string{"100", "1,000", "10,000", "100,000"}, labels(decades{}, 50, 100000))
	for _, c := range [][4]float64{{0.8, 61, 0.5, 100}, {5, 20, 5, 20}, {2.1, 4.9, 2, 5}, {150, 51000, 100, 100000}, {1, 1, 1, 2}} {
		lower, upper := rounded(c[0], c[1])
		assert.InDelta(t, c[2], lower, 1e-9, c)
		assert.InDelta(t, c[3], upper, 1e-6, c)
	}
}

func TestFigureThatIsNotThereIsAnError(t *testing.T) {
	p, err := newPage(fixture())
	require.NoError(t, err)
	_, err = p.value("gaps", "s3lect", "a flood", "time without a leader", "median")
	require.ErrorContains(t, err, `table gaps has no "time without a leader" of "s3lect" in case "a flood"`)
	_, err = p.value("gaps", "s3lect", "crash", "time without a leader", "mean")
	require.ErrorContains(t, err, `"mean" is no column`)
	_, err = p.grid("gaps", "colour: median")
	require.Error(t, err)
	_, err = p.share("overlaps", "s3lect", overlapsMetric, "in", "a flood")
	require.ErrorContains(t, err, `table overlaps has no "runs with two leaders" in case "a flood"`)
}

func TestRunsOfATableAreThoseOfItsOwnMeasurement(t *testing.T) {
	tables := fixture()
	for _, c := range tables["etcd"].Cells {
		require.Equal(t, 1, c.Runs)
	}
	tables["crosscheck"] = &result.Table{Cells: []result.Cell{{Metric: "requests per window", Runs: 240}, {Metric: "latency", Runs: 54321}, {Metric: "difference", Runs: 1}}}
	p, err := newPage(tables)
	require.NoError(t, err)
	for name, expected := range map[string]string{"gaps": "4 runs", "leases": "2 runs", "etcd": "one run", "requests": "one run"} {
		runs, err := p.runs(name)
		require.NoError(t, err)
		assert.Equal(t, expected, runs, "%s: without etcd's, and without the limit that nobody has measured", name)
	}
	runs, err := p.runs("crosscheck", "requests per window")
	require.NoError(t, err)
	assert.Equal(t, "240 runs", runs, "a request is no run")
	_, err = p.runs("the moon")
	require.ErrorAs(t, err, new(missingTableError))

	const apart = " etcd's figures are of [another measurement](#etcd-in-real-time)."
	for name, joined := range map[string]bool{"gaps": true, "requests": true, "leases": false, "etcd": false} {
		text, err := p.measured(name)
		require.NoError(t, err)
		assert.Equal(t, joined, strings.HasSuffix(text, apart), text)
	}
	assert.Contains(t, performanceText, "\n### etcd, in real time\n")
}

func TestTooFewRunsAreTriedAndNotPublished(t *testing.T) {
	root, tables := place(t), fixture()
	tables["gaps"].Quick = true
	require.NoError(t, Try(root, tables))
	require.ErrorContains(t, Render(root, tables, io.Discard), `"gaps" has too few runs to be published`)
	assert.Contains(t, read(t, root, "README.md"), "\nold\n")
	assert.NoFileExists(t, filepath.Join(root, "docs", "performance.md"))
	require.ErrorContains(t, Check(root, tables, io.Discard), `"gaps" has too few runs to be published`)
}

func TestTablesAreReadBackByTheirNames(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "[with brackets]")
	put(t, directory, "README.md", "no table")
	want := fixture()["gaps"]
	require.NoError(t, want.Write(filepath.Join(directory, "gaps.json")))
	got, err := ReadAll(directory)
	require.NoError(t, err)
	assert.Equal(t, map[string]*result.Table{"gaps": want}, got)
	put(t, directory, "broken.json", "{")
	_, err = ReadAll(directory)
	require.ErrorContains(t, err, "broken.json")
	_, err = ReadAll(filepath.Join(directory, "no such directory"))
	require.ErrorIs(t, err, os.ErrNotExist, "nothing kept would be a page without figures")
}

func TestATableUnderAnotherNameDoesNotTakeItsPlace(t *testing.T) {
	for name, text := range map[string]string{"gaps": `{"name":"gaps","cells":[]}`, "": "null"} {
		directory := t.TempDir()
		require.NoError(t, fixture()["gaps"].Write(filepath.Join(directory, "gaps.json")))
		put(t, directory, "other.json", text)
		_, err := ReadAll(directory)
		assert.ErrorContains(t, err, "other.json is table \""+name+"\"")
	}
}
