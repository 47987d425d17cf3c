package report

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAmountsAreWrittenAsPeopleReadThem(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		text  string
	}{
		{10.2, "s", "10.2 s"}, {0.1734, "s", "173 ms"}, {2.6, "s", "2.60 s"}, {123.45, "s", "123 s"}, {5000, "s", "5,000 s"},
		{0.9999, "s", "1.00 s"}, {14.6e-6, "s", "14.6 µs"}, {0, "s", "0 s"}, {65.12, "s", "65.1 s"},
		{49.63, "ns", "49.6 ns"}, {1163.4e3, "ns", "1.16 ms"}, {0.31, "ns", "0.310 ns"},
		{8112, "B", "7.92 KiB"}, {640, "B", "640 B"}, {115712, "B", "113 KiB"},
		{713, "1", "713"}, {62578, "1", "62,578"}, {1234567, "1", "1,234,567"}, {0.72, "1", "0.720"}, {5159.4, "1", "5,159"}, {0, "1", "0"},
		{2.594, "$", "$2.59"}, {0.004, "$", "under $0.01"}, {0, "$", "$0.00"}, {1234.5, "$", "$1,234.50"},
		{4.13, "%", "4.13 %"}, {-0.5, "%", "-0.500 %"},
	} {
		assert.Equal(t, c.text, amount(c.value, c.unit), "%v %s", c.value, c.unit)
	}
}

func TestOneRunIsNotNoneAndAllButOneAreNotAll(t *testing.T) {
	for share, text := range map[float64]string{
		0: "0 %", 1.0 / 1000: "< 1 %", 1.0 / 200: "< 1 %", 2.0 / 200: "1 %", 0.25: "25 %", 198.0 / 200: "99 %", 199.0 / 200: "> 99 %", 1: "100 %",
	} {
		assert.Equal(t, text, percent(share), "%v", share)
	}
}
