package rounds

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestJSONIsForThoseWhoNameIt(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                       false,
		"*/*":                                    false,
		"application/*":                          false,
		"text/html,application/xhtml+xml,*/*":    false,
		"application/json":                       true,
		"Application/JSON":                       true,
		"application/json, */*":                  true,
		"application/json; charset=utf-8":        true,
		"text/html, application/json;q=0.1":      true,
		"application/json;q=0":                   false,
		"application/json;q=0.000":               false,
		"application/json, text/plain":           false,
		"application/json, text/plain;q=0.9":     true,
		"application/json;q=0.9, text/plain":     false,
		"application/json;q=0.5,text/plain;q=.5": false,
		"text/plain;q=0, application/json;q=0.1": true,
		"text/*, application/json;q=0.5":         true,
		"application/json;q=1;x=y":               true,
		"application/json ; Q = 0":               false,
		"application/json;q=2":                   false,
		"application/json;q=-1":                  false,
		"application/json;q=nan":                 false,
		"application/json;q=":                    false,
		"text/plain;q=nan, application/json":     true,
		"application/json;q=0,application/json":  true,
		"application/jsonp":                      false,
		"application/vnd.api+json":               false,
		"json":                                   false,
		",;,;=,":                                 false,
		strings.Repeat("a/b,", 10_000):           false,
		"text/plain|application/json":            false, // two header lines
		"*/*|application/json":                   true,
	} {
		header := http.Header{"Accept": strings.Split(accept, "|")}
		assert.Equal(t, want, wantsJSON(header), "%.60q", accept)
	}
	assert.False(t, wantsJSON(http.Header{}))
}
