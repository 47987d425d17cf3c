package admin

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/admin.md")
	require.NoError(t, err)
	return string(text)
}

func TestDocumentHasExactlyTheCodesAndTheirStatuses(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `(\\w+)` \\|").FindAllStringSubmatch(document(t), -1)
	var documented, there []string
	for _, row := range rows {
		documented = append(documented, row[1]+" "+row[2])
	}
	for code, status := range statuses {
		there = append(there, fmt.Sprint(status, " ", code))
	}
	assert.ElementsMatch(t, there, documented)
}

func TestDocumentHasExactlyTheRoutesAndWhoMayAsk(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `(GET|POST) ([^`?]+)` \\|.*\\| ([^|]+) \\|$").FindAllStringSubmatch(document(t), -1)
	require.Len(t, rows, len(routes))
	for i, row := range rows {
		to := routes[i]
		if assert.Equal(t, to.path, row[2], "in their order") {
			assert.Equal(t, to.method, row[1], to.path)
			assert.Equal(t, to.guarded, strings.HasPrefix(row[3], "guarded"), to.path)
			assert.Equal(t, to.leader, strings.Contains(row[3], "leader"), to.path)
		}
	}
}

func TestDocumentHasExactlyTheMetrics(t *testing.T) {
	_, section, _ := strings.Cut(document(t), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+) \\| \\w+ \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`(\\w+)(\\{[^}]*\\})?`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, namespace+"_"+name[1])
		}
	}
	registry := prometheus.NewRegistry()
	h := handlerOf(t, newFake(), Options{Registerer: registry, Gatherer: registry})
	h.metrics.observe(nil, 404, 0)
	h.metrics.forwarded.WithLabelValues(forwardUnknown)
	families, err := registry.Gather()
	require.NoError(t, err)
	var there []string
	for _, family := range families {
		there = append(there, family.GetName())
	}
	assert.ElementsMatch(t, there, documented)
}

func TestDocumentNamesTheChecksOfHealth(t *testing.T) {
	for _, check := range decoded[DetailedHealth](t, ask(t, handlerOf(t, newFake(), Options{}), "GET", "/health/detailed", "")).Checks {
		assert.Contains(t, document(t), "\n| `"+check.Name+"` |")
	}
}
