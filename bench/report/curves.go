package report

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

const (
	curvesHeight = vg.Length(320)
	limitName    = "limit" // the contender of what theory says
)

var (
	shapes = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{},
	}
	dashes = [][]vg.Length{nil, {6, 2}, {2, 2}, {8, 2, 2, 2}}
)

// drawRequests shows what followers cost.
func drawRequests(t *result.Table, metric string) ([]byte, error) {
	p := newPlot("One leader and its followers, " + metric)
	p.X.Label.Text, p.Y.Label.Text = "followers", metric+", median"
	if metric == "dollars per month" {
		p.Title.Text += " at the prices of S3 Standard"
	}
	p.Y.Label.Text += " (logarithmic)"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	return drawCurves(p, t, metric, func(c result.Cell) float64 { return c.Median })
}

// drawLeases shows failover against the length of the lease, and what theory allows: in leases, since in seconds all would lie
// on one line.
func drawLeases(t *result.Table) ([]byte, error) {
	const metric = "time without a leader after a crash"
	p := newPlot("From the crash of a leader to the next one, in leases")
	p.X.Label.Text, p.Y.Label.Text = "lease, s", "time without a leader, median, in leases"
	p.Y.Min = 0
	return drawCurves(p, t, metric, func(c result.Cell) float64 { return c.Median / c.X })
}

// drawCurves draws a line for each contender, over X, which is logarithmic, with a legend beside them.
func drawCurves(p *plot.Plot, t *result.Table, metric string, height func(result.Cell) float64) ([]byte, error) {
	p.X.Scale = plot.LogScale{}
	p.X.Label.Text += " (logarithmic)"
	p.Add(horizontals{})
	legend := newLegend()
	var at []plot.Tick
	next := 0
	for _, contender := range contendersOf(t, metric) {
		points := curve(t, contender, metric, height)
		if len(points) == 0 {
			continue
		}
		for _, point := range points {
			at = append(at, plot.Tick{Value: point.X, Label: amount(point.X, "1")})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("draw %s of %s: %w", metric, contender, err)
		}
		if contender == limitName {
			line.LineStyle = draw.LineStyle{Color: black, Width: 1.5, Dashes: []vg.Length{4, 3}}
			p.Add(line)
			legend.Add("the theoretical limit", line)
			continue
		}
		line.LineStyle = draw.LineStyle{Color: palette[next%len(palette)], Width: 1.5, Dashes: dashes[next%len(dashes)]}
		dots.GlyphStyle = draw.GlyphStyle{Color: palette[next%len(palette)], Radius: 3, Shape: shapes[next%len(shapes)]}
		p.Add(line, dots)
		legend.Add(contender, line, dots)
		next++
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("table %s has no %q", t.Name, metric)
	}
	slices.SortFunc(at, func(a, b plot.Tick) int { return cmp.Compare(a.Value, b.Value) })
	p.X.Tick.Marker = plot.ConstantTicks(slices.Compact(at))
	if _, logarithmic := p.Y.Scale.(plot.LogScale); logarithmic {
		p.Y.Min, p.Y.Max = rounded(p.Y.Min, p.Y.Max)
	}
	return picture(curvesHeight, func(c draw.Canvas) error {
		place := legend.Rectangle(c)
		side := place.Max.X - place.Min.X + 8
		p.Draw(draw.Crop(c, 0, -side, 0, 0))
		legend.Draw(draw.Crop(c, c.Max.X-c.Min.X-side+8, 0, 0, -20))
		return nil
	})
}

// curve is how high a contender is at each X. 0 has no place on a logarithmic axis.
func curve(t *result.Table, contender, metric string, height func(result.Cell) float64) (points plotter.XYs) {
	for _, c := range t.Cells {
		if c.Contender == contender && c.Metric == metric && c.Runs > 0 && c.X > 0 && c.Median > 0 {
			points = append(points, plotter.XY{X: c.X, Y: height(c)})
		}
	}
	slices.SortFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	return points
}

// horizontals are lines at the named ticks of the vertical axis.
type horizontals struct{}

// Plot implements plot.Plotter.
func (horizontals) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	for _, tick := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if !tick.IsMinor() && tick.Value > p.Y.Min {
			c.StrokeLine2(draw.LineStyle{Color: color.Color(grey), Width: 0.5}, c.Min.X, y(tick.Value), c.Max.X, y(tick.Value))
		}
	}
}
