package report

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// barHeight is the height of one bar, and of the space between groups, in points.
const barHeight = vg.Length(13)

// panel is horizontal bars under one heading: a group of bars for each contender.
type panel struct {
	title  string
	groups []group
	spread bool // shows p99 and maximum as well
}

// group is the bars of a contender, one of each series.
type group struct {
	label string
	cells []result.Cell // of no name where a series is missing
}

// bars draws panels below each other, with one legend, and a scale of their own each or a shared one.
type bars struct {
	panels []panel
	axis   string   // what is measured
	series []string // what bars of one group differ by; none if there is one bar each
	shared bool
}

func (b bars) draw() ([]byte, error) {
	const head, ticks, label, legendLine = vg.Length(26), vg.Length(22), vg.Length(12), vg.Length(16)
	heights := make([]vg.Length, len(b.panels))
	total := vg.Length(0)
	top := 0.0
	for i, p := range b.panels {
		heights[i] = head + ticks + vg.Length(p.rows())*barHeight
		if b.labels(i) {
			heights[i] += label
		}
		total += heights[i]
		top = max(top, p.top())
	}
	return picture(total+legendLine+16, func(c draw.Canvas) error {
		b.drawLegend(draw.Crop(c, 0, 0, c.Max.Y-c.Min.Y-legendLine, 0))
		c = draw.Crop(c, 0, 0, 0, -legendLine)
		plots, places := make([]*plot.Plot, len(b.panels)), make([]draw.Canvas, len(b.panels))
		below, left, right := c.Max.Y, vg.Length(0), vg.Length(0)
		for i, p := range b.panels {
			limit := p.top()
			if b.shared {
				limit = top
			}
			plots[i] = b.plot(p, limit)
			if !b.labels(i) {
				plots[i].X.Label.Text = ""
			}
			places[i] = draw.Crop(c, 0, 0, below-heights[i]-c.Min.Y, below-c.Max.Y-8)
			below -= heights[i]
			data := plots[i].DataCanvas(places[i])
			left, right = max(left, data.Min.X-places[i].Min.X), max(right, places[i].Max.X-data.Max.X)
		}
		for i, p := range plots { // with their data below each other
			data := p.DataCanvas(places[i])
			p.Draw(draw.Crop(places[i], left-(data.Min.X-places[i].Min.X), places[i].Max.X-data.Max.X-right, 0, 0))
		}
		return nil
	})
}

// labels reports whether a panel says what its axis is. One that is shared is labelled at the bottom.
func (b bars) labels(panel int) bool { return !b.shared || panel == len(b.panels)-1 }

// plot is one panel as a plot.
func (b bars) plot(p panel, limit float64) *plot.Plot {
	unit := p.unit()
	s := stepFor(limit, unit)
	out := newPlot(p.title)
	out.X.Label.Text = axisLabel(b.axis, s)
	out.X.Min, out.X.Max = 0, limit/s.size*1.18 // room for the numbers
	if limit == 0 {
		out.X.Max = 1
	}
	out.X.Tick.Marker = linear{}
	out.Y.Min, out.Y.Max = 0, float64(p.rows())
	out.Y.Tick.Length = 0
	out.Y.Tick.Marker = p
	out.Y.Color = black
	out.Add(verticals{}, barPlotter{p, s.size})
	return out
}

// axisLabel names what is measured and its unit.
func axisLabel(what string, s step) string {
	if s.name == "1" {
		return what
	}
	return what + ", " + s.name
}

// drawLegend writes from left to right what stands for what.
func (b bars) drawLegend(c draw.Canvas) {
	type entry struct {
		name  string
		thumb func(c *draw.Canvas, x, y vg.Length)
	}
	var entries []entry
	for i, name := range b.series {
		entries = append(entries, entry{name, func(c *draw.Canvas, x, y vg.Length) { box(c, palette[i%len(palette)], x, y-4, x+18, y+4) }})
	}
	if len(b.panels) > 0 && b.panels[0].spread {
		entries = append(entries,
			entry{"median, and its figure", func(c *draw.Canvas, x, y vg.Length) { box(c, palette[0], x, y-4, x+18, y+4) }},
			entry{"to p99", func(c *draw.Canvas, x, y vg.Length) { whisker(c, x, x+18, y) }},
			entry{"maximum", func(c *draw.Canvas, x, y vg.Length) { dot(c, x+9, y) }})
	}
	x, y := c.Min.X+4, (c.Min.Y+c.Max.Y)/2
	style := ink(draw.XLeft, black)
	for _, e := range entries {
		e.thumb(&c, x, y)
		c.FillText(style, vg.Point{X: x + 24, Y: y}, e.name)
		x += 24 + style.Width(e.name) + 18
	}
}

func (p panel) unit() string {
	for _, g := range p.groups {
		for _, c := range g.cells {
			if c.Unit != "" {
				return c.Unit
			}
		}
	}
	return "1"
}

// rows is the number of bars, and of half a bar's space between groups.
func (p panel) rows() (n float64) {
	for _, g := range p.groups {
		n += float64(len(g.cells)) + 0.5
	}
	return n
}

// top is the largest value that is shown.
func (p panel) top() (most float64) {
	for _, g := range p.groups {
		for _, c := range g.cells {
			if p.spread {
				most = max(most, c.Max)
			}
			most = max(most, c.Median)
		}
	}
	return most
}

// each calls do for each group with the position of its upper end.
func (p panel) each(do func(g group, upper float64)) {
	at := p.rows()
	for _, g := range p.groups {
		do(g, at-0.25)
		at -= float64(len(g.cells)) + 0.5
	}
}

// Ticks implements plot.Ticker: each group's label at its middle.
func (p panel) Ticks(float64, float64) (ticks []plot.Tick) {
	p.each(func(g group, upper float64) {
		ticks = append(ticks, plot.Tick{Value: upper - float64(len(g.cells))/2, Label: g.label})
	})
	return ticks
}

// barPlotter draws the bars of a panel; values are divided by the size of the axis' step.
type barPlotter struct {
	panel
	size float64
}

// Plot implements plot.Plotter.
func (b barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	b.each(func(g group, upper float64) {
		for i, cell := range g.cells {
			middle := upper - float64(i) - 0.5
			if cell.Contender == "" {
				continue
			}
			at := vg.Point{X: x(0) + 4, Y: y(middle)}
			if cell.Runs == 0 {
				c.FillText(ink(draw.XLeft, black), at, "–")
				continue
			}
			end := x(cell.Median / b.size)
			box(&c, palette[i%len(palette)], x(0), y(middle-0.4), end, y(middle+0.4))
			if b.spread {
				whisker(&c, end, x(cell.P99/b.size), at.Y)
				dot(&c, x(cell.Max/b.size), at.Y)
				end = max(end, x(cell.Max/b.size)) + 2
			}
			c.FillText(ink(draw.XLeft, black), vg.Point{X: end + 4, Y: at.Y}, amount(cell.Median, cell.Unit))
		}
	})
}

// whisker is a line to the p99, with an end.
func whisker(c *draw.Canvas, from, to, y vg.Length) {
	style := draw.LineStyle{Color: black, Width: 1}
	c.StrokeLine2(style, from, y, to, y)
	c.StrokeLine2(style, to, y-3, to, y+3)
}

func dot(c *draw.Canvas, x, y vg.Length) {
	c.DrawGlyph(draw.GlyphStyle{Color: black, Radius: 2, Shape: draw.CircleGlyph{}}, vg.Point{X: x, Y: y})
}

// verticals are lines at the ticks of the horizontal axis.
type verticals struct{}

// Plot implements plot.Plotter.
func (verticals) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !tick.IsMinor() && tick.Value > p.X.Min {
			c.StrokeLine2(draw.LineStyle{Color: color.Color(grey), Width: 0.5}, x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
		}
	}
}
