package report

import (
	"bytes"
	"fmt"
	"image/color"

	imagefont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// chart is a picture of a table.
type chart struct {
	name, table string
	draw        func(*result.Table) ([]byte, error)
}

var charts = []chart{
	{"overlaps.svg", "overlaps", drawOverlaps},
	{"gaps.svg", "gaps", drawGaps},
	{"requests.svg", "requests", func(t *result.Table) ([]byte, error) { return drawRequests(t, "requests per month") }},
	{"dollars.svg", "requests", func(t *result.Table) ([]byte, error) { return drawRequests(t, "dollars per month") }},
	{"leases.svg", "leases", drawLeases},
	{"costs.svg", "costs", drawCosts},
	{"isleader.svg", "isleader", drawIsLeader},
}

// width is that of all charts, in points: what a page on GitHub has.
const width = vg.Length(620)

// Colours that can be told apart without seeing colours well (Okabe and Ito, "Color Universal Design").
var palette = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xB2, A: 0xFF}, // blue
	color.RGBA{R: 0xE6, G: 0x9F, B: 0x00, A: 0xFF}, // orange
	color.RGBA{R: 0x00, G: 0x9E, B: 0x73, A: 0xFF}, // green
	color.RGBA{R: 0xCC, G: 0x79, B: 0xA7, A: 0xFF}, // purple
	color.RGBA{R: 0xD5, G: 0x5E, B: 0x00, A: 0xFF}, // vermilion
	color.RGBA{R: 0x56, G: 0xB4, B: 0xE9, A: 0xFF}, // sky
	color.RGBA{R: 0x8C, G: 0x7A, B: 0x00, A: 0xFF}, // olive
	color.RGBA{R: 0x66, G: 0x66, B: 0x66, A: 0xFF}, // grey
}

var (
	black = color.Gray{Y: 0x20}
	grey  = color.Gray{Y: 0xE0}
)

// picture draws on a white canvas, so that it can be read on a dark page too, and returns it as SVG. Text stays text.
func picture(height vg.Length, paint func(draw.Canvas) error) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Path())
	if err := paint(draw.Crop(c, 8, -12, 8, -8)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write the chart: %w", err)
	}
	// The library names the font it has measured; most machines have another one with the same widths.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans;font-variant:normal"),
		[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif")), nil
}

// sans is the font of everything that is written.
func sans(size vg.Length) font.Font {
	f := font.From(plot.DefaultFont, size)
	f.Variant = "Sans"
	return f
}

// newPlot returns an empty plot in the style of all charts.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = title
	p.Title.TextStyle.Font = sans(11)
	p.Title.TextStyle.Font.Weight = imagefont.WeightBold
	p.Title.Padding = 4
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = sans(10)
		axis.Tick.Label.Font = sans(9)
		axis.Color, axis.Tick.Color = black, black
		axis.Padding = 4
	}
	return p
}

// newLegend returns an empty legend in the style of all charts.
func newLegend() plot.Legend {
	l := plot.NewLegend()
	l.TextStyle.Font = sans(9)
	l.Top, l.Left = true, true
	l.ThumbnailWidth = 22
	l.Padding = 3
	return l
}

// ink is how text is written: aligned horizontally as asked, and vertically at its middle.
func ink(x draw.XAlignment, c color.Color) draw.TextStyle {
	return draw.TextStyle{Color: c, Font: sans(9), XAlign: x, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// box fills a rectangle.
func box(c *draw.Canvas, fill color.Color, x0, y0, x1, y1 vg.Length) {
	c.FillPolygon(fill, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}
