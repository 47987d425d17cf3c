package rounds

import (
	"net/http"
	"strconv"
	"strings"
)

// wantsJSON reports whether a request asks for JSON by name, and not for plain text as much. Those
// who say nothing, or that anything will do, get text, as clients that know nothing of JSON expect.
func wantsJSON(header http.Header) bool {
	inJSON, inText := 0.0, 0.0
	for _, field := range header.Values("Accept") {
		for element := range strings.SplitSeq(field, ",") {
			switch name, weight := mediaRange(element); name {
			case "application/json":
				inJSON = max(inJSON, weight)
			case "text/plain":
				inText = max(inText, weight)
			}
		}
	}
	return inJSON > inText
}

// mediaRange reads an element of an Accept header. One that cannot be read has no weight.
func mediaRange(element string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(element, ";")
	weight = 1
	for parameter := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) { // NaN is neither
			return "", 0
		}
		weight = q
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}
