package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-6dc909bb/s3lect/bench/figures"
)

func TestEverySourceOfFiguresHasASection(t *testing.T) {
	for _, s := range figures.Sources() {
		assert.Contains(t, performanceText, `{{if has "`+s.Name+`"}}`, "nobody would see what %s measures", s.Name)
	}
}
