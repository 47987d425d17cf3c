package raftd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// watchTokens reads the tokens of a file, one in each line. There must be one.
func watchTokens(path string, log *slog.Logger) (*watched[[]string], error) {
	return watch("tokens", []string{path}, log, func() ([]string, error) { return readTokens(path) })
}

func readTokens(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	var list []string
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("--token-file: %s:%d: a token is one word of printable ASCII characters", path, number+1)
		}
		list = append(list, line)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("--token-file: %s: %w", path, errNoToken)
	}
	return list, nil
}

var errNoToken = errors.New("there is no token in it; one line with a long random word would do")
