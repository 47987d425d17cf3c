package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// A step of a unit: so many of the unit are one of the step.
type step struct {
	size float64
	name string
}

// The steps of each unit, the largest first. A cell's value is in units of size 1.
var units = map[string][]step{
	"s":  {{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {1e-9, "ns"}},
	"ns": {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}},
	"B":  {{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}},
}

// stepFor returns the step in which a value is 1 or more, or the smallest.
func stepFor(value float64, unit string) step {
	steps, known := units[unit]
	if !known {
		return step{1, unit}
	}
	if value == 0 {
		return step{1, unit}
	}
	for _, s := range steps {
		if math.Abs(value) >= s.size {
			return s
		}
	}
	return steps[len(steps)-1]
}

// amount writes a value with its unit, to three significant digits; whole numbers completely.
func amount(value float64, unit string) string {
	if unit == "$" {
		return dollars(value)
	}
	if unit == "1" && value == math.Trunc(value) {
		return grouped(strconv.FormatFloat(value, 'f', 0, 64))
	}
	s := stepFor(significant(value), unit)
	number := digits(value / s.size)
	switch s.name {
	case "1":
		return number
	case "1/s":
		return number + " /s"
	default:
		return number + " " + s.name
	}
}

// significant rounds to three significant digits, so that 999.9 ms become a second before their unit is chosen.
func significant(value float64) float64 {
	if value == 0 {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(value, 'e', 2, 64), 64)
	return rounded
}

// digits writes three significant digits, and all of a whole part. Of zero there is but one.
func digits(value float64) string {
	if value == 0 {
		return "0"
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'e', 2, 64), "e")
	power, _ := strconv.Atoi(exponent)
	return grouped(strconv.FormatFloat(value, 'f', min(max(0, 2-power), 6), 64))
}

func dollars(value float64) string {
	if value > 0 && value < 0.01 {
		return "under $0.01"
	}
	return "$" + grouped(strconv.FormatFloat(value, 'f', 2, 64))
}

// grouped puts a comma between each three digits of the whole part.
func grouped(number string) string {
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "-", number[1:]
	}
	whole, fraction, found := strings.Cut(number, ".")
	var groups []string
	for len(whole) > 3 {
		groups = append(groups, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	groups = append(groups, whole)
	slices.Reverse(groups)
	whole = sign + strings.Join(groups, ",")
	if found {
		return whole + "." + fraction
	}
	return whole
}
