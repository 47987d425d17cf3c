// Package report makes the documentation's figures and charts out of what was measured. The same results give the same
// bytes, so that a test can hold that no figure has drifted away from its measurement.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// chartsDir is where charts are kept, below the root.
const chartsDir = "docs/charts"

// marked are the documents that have measured figures between marks.
var marked = []string{"README.md", "docs/operations.md"}

// Render writes docs/performance.md, the charts and what stands between the marks of other documents, below root. Tables
// are found by their names. What needs a table that is not there is left out of the page, and left as it is elsewhere, which is
// told to log.
//
// Tables of too few runs are an error: blocks in other documents have no place to say so.
func Render(root string, tables map[string]*result.Table, log io.Writer) error {
	if err := publishable(tables); err != nil {
		return err
	}
	files, err := render(root, tables, log)
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// Try renders everything and writes nothing: to see that what was measured can be shown.
func Try(root string, tables map[string]*result.Table) error {
	_, err := render(root, tables, io.Discard)
	return err
}

// Check returns an error that names the files below root that are not what Render would write. What it would leave is told to log.
func Check(root string, tables map[string]*result.Table, log io.Writer) error {
	if err := publishable(tables); err != nil {
		return err
	}
	files, err := render(root, tables, log)
	if err != nil {
		return err
	}
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("check the report: %w", err)
		}
		if !bytes.Equal(data, files[name]) {
			stale = append(stale, name)
		}
	}
	kept, err := os.ReadDir(filepath.Join(root, chartsDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("check the report: %w", err)
	}
	for _, entry := range kept {
		if !slices.ContainsFunc(charts, func(c chart) bool { return c.name == entry.Name() }) {
			return fmt.Errorf("nothing draws %s/%s any more; remove it", chartsDir, entry.Name())
		}
	}
	if len(stale) > 0 {
		return fmt.Errorf("not what the kept results say, render them again: %s", strings.Join(stale, ", "))
	}
	return nil
}

func publishable(tables map[string]*result.Table) error {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if tables[name].Quick {
			return fmt.Errorf("table %q has too few runs to be published; measure it again, and not quickly", name)
		}
	}
	return nil
}

// ReadAll reads the tables that are kept in a directory, by their names, which are those of their files.
func ReadAll(directory string) (map[string]*result.Table, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	tables := map[string]*result.Table{}
	for _, entry := range entries {
		name, isTable := strings.CutSuffix(entry.Name(), ".json")
		if !isTable {
			continue
		}
		path := filepath.Join(directory, entry.Name())
		table, err := result.Read(path)
		if err != nil {
			return nil, err
		}
		if table.Name != name { // a copy would take the place of the other one
			return nil, fmt.Errorf("read results: %s is table %q; remove it, or measure %s again", path, table.Name, name)
		}
		tables[name] = table
	}
	return tables, nil
}

// render returns the contents of all files, by their names below root.
func render(root string, tables map[string]*result.Table, log io.Writer) (map[string][]byte, error) {
	files := map[string][]byte{}
	p, err := newPage(tables)
	if err != nil {
		return nil, err
	}
	for _, c := range charts {
		table, known := p.tables[c.table]
		if !known {
			continue
		}
		data, err := c.draw(table)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", c.name, err)
		}
		files[chartsDir+"/"+c.name] = data
	}
	if files["docs/performance.md"], err = p.performance(); err != nil {
		return nil, err
	}
	for _, name := range marked {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		if !beginMark.Match(text) {
			return nil, fmt.Errorf("render %s: it has no marks any more", name)
		}
		if files[name], err = replaceBlocks(text, p.block, func(block string, missing error) {
			fmt.Fprintf(log, "%s: %s is left as it was: %v\n", name, block, missing)
		}); err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
	}
	return files, nil
}
