package report

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// mostTicks is how many named ticks an axis has at most.
const mostTicks = 7

// linear are ticks at round numbers.
type linear struct{}

// Ticks implements plot.Ticker.
func (linear) Ticks(from, to float64) (ticks []plot.Tick) {
	if to <= from {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(to-from))-1)
	for _, factor := range []float64{2, 2.5, 2, 2, 2.5, 2} { // 1, 2, 5, 10, 20, 50, 100
		if (to-from)/step < mostTicks {
			break
		}
		step *= factor
	}
	for n := math.Ceil(from / step); n*step <= to; n++ {
		ticks = append(ticks, plot.Tick{Value: n * step, Label: short(n * step)})
	}
	return ticks
}

// decades are ticks for a logarithmic axis: at the powers of ten, with two more named between them if there is room, and at
// the other multiples.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(from, to float64) (ticks []plot.Tick) {
	between := math.Log10(to/from) < 2.5
	for power := math.Floor(math.Log10(from)); power <= math.Ceil(math.Log10(to)); power++ {
		for n := 1; n <= 9; n++ {
			tick := plot.Tick{Value: float64(n) * math.Pow(10, power)}
			if n == 1 || between && (n == 2 || n == 5) {
				tick.Label = short(tick.Value)
			}
			if tick.Value >= from*0.999 && tick.Value <= to*1.001 {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}

// rounded returns limits of a logarithmic axis: 1, 2 or 5 times a power of ten around the values.
func rounded(from, to float64) (lower, upper float64) {
	lower, upper = math.Pow(10, math.Floor(math.Log10(from))), math.Pow(10, math.Floor(math.Log10(to)))
	for _, factor := range []float64{5, 2} {
		if lower*factor <= from {
			lower *= factor
			break
		}
	}
	for _, factor := range []float64{1, 2, 5, 10} {
		if upper*factor >= to && upper*factor > lower { // an axis without a length would begin below zero
			return lower, upper * factor
		}
	}
	return lower, upper
}

// short writes a round number.
func short(value float64) string {
	return grouped(strconv.FormatFloat(math.Round(value*1e9)/1e9, 'f', -1, 64))
}
