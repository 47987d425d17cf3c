package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds what is read of a configuration file, in bytes.
const maxConfigFile = 1 << 20

// configFlag is the flag that names the file, and so cannot stand in it.
const configFlag = "config"

// bindFile sets flags that are neither on the command line nor in the environment from a YAML file, whose keys are the
// names of the flags. Every error names the line.
func bindFile(flags *pflag.FlagSet, path string) error {
	text, err := readConfig(path)
	if err != nil {
		return usageErrorf("--config: %w", err)
	}
	entries, err := parseConfig(text)
	if err != nil {
		return usageErrorf("%s: %w", path, err)
	}
	for _, e := range entries {
		if err := e.apply(flags); err != nil {
			return usageErrorf("%s:%d: %s: %w", path, e.line, e.key, err)
		}
	}
	return nil
}

func readConfig(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxConfigFile {
		return nil, fmt.Errorf("%s is larger than %d bytes, which no configuration is", path, maxConfigFile)
	}
	return text, nil
}

// entry is one key of the file.
type entry struct {
	key   string
	line  int
	value *yaml.Node
}

func parseConfig(text []byte) ([]entry, error) {
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil // nothing but comments
	case err != nil:
		return nil, err // it names the line
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one YAML document")
	}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: there are to be keys and values, such as \"id: n1\"", top.Line)
	}
	return entriesOf(top)
}

func entriesOf(mapping *yaml.Node) ([]entry, error) {
	lines := make(map[string]int)
	var entries []entry
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if first, twice := lines[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %s is there twice, first in line %d", key.Line, key.Value, first)
		}
		lines[key.Value] = key.Line
		entries = append(entries, entry{key: key.Value, line: key.Line, value: mapping.Content[i+1]})
	}
	return entries, nil
}

func (e entry) apply(flags *pflag.FlagSet) error {
	flag := flags.Lookup(e.key)
	switch {
	case flag == nil || e.key == "help" || e.key == configFlag:
		if similar := similarFlag(flags, strings.ReplaceAll(e.key, "_", "-")); similar != "" && similar != configFlag {
			return fmt.Errorf("there is no such key; did you mean %s?", similar)
		}
		return errors.New("there is no such key; the keys are the flags of \"raftd run --help\" without their dashes")
	case flag.Changed:
		// Still looked at: a file that is wrong is to be repaired before the flag is gone one day.
		_, err := text(e.value)
		return err
	}
	value, err := text(e.value)
	if err != nil {
		return err
	}
	if err := flags.Set(e.key, value); err != nil {
		return reason(err)
	}
	return nil
}

// text is what would stand behind the flag: lists are joined by commas, maps of lists by NAME=VALUE.
func text(value *yaml.Node) (string, error) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	var parts []string
	switch value.Kind {
	case yaml.ScalarNode:
		return scalar(value)
	case yaml.SequenceNode:
		for _, element := range value.Content {
			part, err := scalar(element)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
	case yaml.MappingNode:
		entries, err := entriesOf(value)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			part, err := scalar(e.value)
			if err != nil {
				return "", err
			}
			parts = append(parts, e.key+"="+part)
		}
	default:
		return "", errors.New("neither a value nor a list")
	}
	return strings.Join(parts, ","), nil
}

func scalar(value *yaml.Node) (string, error) {
	switch {
	case value.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("line %d: a value is wanted here, not a list or a map", value.Line)
	case value.Tag == "!!null":
		return "", fmt.Errorf("line %d: there is no value; leave the key out, or write \"\"", value.Line)
	}
	return value.Value, nil
}
