package report

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

const endMark = "<!-- end -->"

var beginMark = regexp.MustCompile(`<!-- measured: ([a-z-]+) -->\n`)

// replaceBlocks replaces what stands between marks by what is rendered for their names. A block that needs a table that
// is not there stays as it is, which left is told.
func replaceBlocks(text []byte, block func(name string) ([]byte, error), left func(name string, missing error)) ([]byte, error) {
	var out bytes.Buffer
	for {
		begin := beginMark.FindSubmatchIndex(text)
		if begin == nil {
			out.Write(text)
			return out.Bytes(), nil
		}
		name := string(text[begin[2]:begin[3]])
		length := bytes.Index(text[begin[1]:], []byte(endMark))
		if length < 0 {
			return nil, fmt.Errorf("no %s after the mark of %s", endMark, name)
		}
		end := begin[1] + length
		content, err := block(name)
		var missing missingTableError
		switch {
		case errors.As(err, &missing):
			left(name, missing)
			content = text[begin[1]:end]
		case err != nil:
			return nil, err
		}
		out.Write(text[:begin[1]])
		out.Write(content)
		out.WriteString(endMark)
		text = text[end+len(endMark):]
	}
}
