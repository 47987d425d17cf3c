package report

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

const overlapsMetric = "runs with two leaders"

var (
	never   = color.RGBA{R: 0xD5, G: 0xEB, B: 0xDF, A: 0xFF}
	unasked = color.RGBA{R: 0xF0, G: 0xF0, B: 0xF0, A: 0xFF}
	rarely  = color.RGBA{R: 0xFD, G: 0xD9, B: 0xB5, A: 0xFF}
	always  = color.RGBA{R: 0x9E, G: 0x1B, B: 0x1B, A: 0xFF}
)

// drawOverlaps is a heat map: a row for each fault, a column for each contender, and how many of the runs had two leaders
// at once. The number stands in each field, so that nothing rests on colours.
func drawOverlaps(t *result.Table) ([]byte, error) {
	const rowHeight, title, legend = vg.Length(19), vg.Length(20), vg.Length(22)
	contenders, faults := contendersOf(t, overlapsMetric), casesOf(t, overlapsMetric)
	if len(contenders) == 0 {
		return nil, fmt.Errorf("table %s has no %q", t.Name, overlapsMetric)
	}
	label := ink(draw.XRight, black)
	left := vg.Length(0)
	for _, fault := range faults {
		left = max(left, label.Width(fault+star(t, fault))+8)
	}
	column := (width - 20 - left) / vg.Length(len(contenders))
	names := make([][]string, len(contenders))
	most := 0
	for i, contender := range contenders {
		names[i] = wrap(contender, column-4)
		most = max(most, len(names[i]))
	}
	head := title + vg.Length(most)*11 + 8
	return picture(head+vg.Length(len(faults))*rowHeight+legend+16, func(c draw.Canvas) error {
		bold := newPlot("").Title.TextStyle
		bold.XAlign, bold.YAlign = draw.XLeft, draw.YCenter
		c.FillText(bold, vg.Point{X: c.Min.X, Y: c.Max.Y - title/2}, "Share of runs in which two led at once, by fault")
		for i, lines := range names {
			x := c.Min.X + left + column*(vg.Length(i)+0.5)
			for j, text := range lines {
				c.FillText(ink(draw.XCenter, black), vg.Point{X: x, Y: c.Max.Y - head + 10 + 11*vg.Length(len(lines)-1-j)}, text)
			}
		}
		for row, fault := range faults {
			y := c.Max.Y - head - rowHeight*(vg.Length(row)+0.5)
			c.FillText(label, vg.Point{X: c.Min.X + left - 6, Y: y}, fault+star(t, fault))
			for i, contender := range contenders {
				x := c.Min.X + left + column*vg.Length(i)
				fill, text, letters := field(t, contender, fault)
				box(&c, fill, x+1, y-rowHeight/2+1, x+column-1, y+rowHeight/2-1)
				c.FillText(ink(draw.XCenter, letters), vg.Point{X: x + column/2, Y: y}, text)
			}
		}
		overlapsLegend(c, c.Min.X, c.Min.Y+legend/2-4)
		return nil
	})
}

// star marks a fault of which there is something to know, such as that it was assumed not to happen. The table says what.
func star(t *result.Table, fault string) string {
	for _, c := range t.Cells {
		if c.Metric == overlapsMetric && c.Case == fault && c.Runs > 0 && c.Note != "" {
			return " *"
		}
	}
	return ""
}

// field is how a fault's effect on a contender is shown.
func field(t *result.Table, contender, fault string) (fill color.Color, text string, letters color.Color) {
	cell, found := t.Find(contender, fault, overlapsMetric)
	switch {
	case !found || cell.Runs == 0:
		return unasked, "–", black
	case cell.Median == 0:
		return never, "0", black
	}
	share := cell.Median / float64(cell.Runs)
	letters = black
	if share > 0.35 {
		letters = color.White
	}
	return between(rarely, always, math.Sqrt(share)), percent(share), letters
}

// percent writes a share; one that is neither none nor all never looks as if.
func percent(share float64) string {
	switch p := share * 100; {
	case p > 0 && p <= 0.5:
		return "< 1 %"
	case p < 100 && p >= 99.5:
		return "> 99 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

func overlapsLegend(c draw.Canvas, x, y vg.Length) {
	style := ink(draw.XLeft, black)
	for _, e := range []struct {
		fill color.Color
		text string
	}{
		{never, "in none of them"}, {rarely, "in few"}, {between(rarely, always, 0.5), "in a quarter"}, {always, "in all"},
		{unasked, "– cannot be done to it"},
		{color.White, "* see the table"},
	} {
		box(&c, e.fill, x, y-5, x+16, y+5)
		c.FillText(style, vg.Point{X: x + 20, Y: y}, e.text)
		x += 20 + style.Width(e.text) + 14
	}
}

// between is the colour at a part of the way from one to another.
func between(from, to color.RGBA, part float64) color.Color {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*part)) }
	return color.RGBA{R: mix(from.R, to.R), G: mix(from.G, to.G), B: mix(from.B, to.B), A: 0xFF}
}

// wrap breaks a text at its spaces into lines of at most that width, where it can.
func wrap(text string, most vg.Length) (lines []string) {
	style := ink(draw.XLeft, black)
	for word := range strings.FieldsSeq(text) {
		if last := len(lines) - 1; last >= 0 && style.Width(lines[last]+" "+word) <= most {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
