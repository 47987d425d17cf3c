package s3lect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const modulePath = "github.com/seed-6dc909bb/s3lect"

// Which files of a package are compiled depends on the system, so the boundaries are checked on
// each of these.
var systems = []string{"linux", "darwin", "windows"}

// Packages that exist for tests alone: they may import testing, and only tests may import them.
var testHelpers = []string{
	modulePath + "/storagetest",
	modulePath + "/internal/figure",
	modulePath + "/internal/s3server",
	modulePath + "/internal/mutation",
	modulePath + "/internal/redisserver",
	modulePath + "/internal/roundscheck",
	modulePath + "/internal/roundsim",
}

func TestRootImportsOnlyStandardLibraryAndAWS(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/aws/aws-sdk-go-v2",
		"github.com/aws/smithy-go",
		modulePath + "/internal",
	}
	for _, system := range systems {
		for _, p := range goList(t, system, "-deps", ".") {
			if !p.Standard && p.ImportPath != modulePath {
				assert.Truef(t, within(p.ImportPath, allowed...), "the root package imports %s on %s", p.ImportPath, system)
			}
		}
	}
}

func TestRoundsBringNoStorageAndNoMetrics(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/aws/aws-sdk-go-v2", // the root package's
		"github.com/aws/smithy-go",
		"golang.org/x/time/rate",
		modulePath + "/internal",
		modulePath + "/rounds",
	}
	for _, system := range systems {
		for _, p := range goList(t, system, "-deps", "./rounds") {
			if !p.Standard && p.ImportPath != modulePath {
				assert.Truef(t, within(p.ImportPath, allowed...), "rounds imports %s on %s", p.ImportPath, system)
			}
		}
	}
}

func TestLeaseImportsOnlyStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, system := range systems {
		for _, p := range goList(t, system, "-deps", "./internal/lease") {
			if p.ImportPath != modulePath+"/internal/lease" {
				assert.Truef(t, p.Standard, "internal/lease imports %s on %s", p.ImportPath, system)
			}
		}
	}
}

func TestLeaseReadsNoClockStartsNoGoroutineAndDoesNoIO(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	files := parseGo(t, fset, "internal/lease")
	require.NotEmpty(t, files)
	for _, file := range files {
		assert.Empty(t, impurities(fset, file))
	}
}

// The check itself is checked: a boundary that finds nothing looks like one that holds.
func TestImpurityIsFound(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`import "os"; var _ = os.Getpid`,
		`import "os/signal"; var _ = signal.Stop`,
		`import "net/http"; var _ = http.Get`,
		`import "sync"; var _ sync.Mutex`,
		`import "sync/atomic"; var _ atomic.Int64`,
		`import "context"; var _ context.Context`,
		`import "math/rand/v2"; var _ = rand.Int`,
		`import "unsafe"; var _ unsafe.Pointer`,
		`import . "time"; var _ = Second`,
		`import "time"; var _ = time.Now()`,
		`import "time"; var now = time.Now`,
		`import clock "time"; var _ = clock.Now()`,
		`import "time"; var _ = time.Since(time.Time{})`,
		`import "time"; var _ = time.Until(time.Time{})`,
		`import "time"; var _ = time.After(1)`,
		`import "time"; var _ = time.AfterFunc(1, nil)`,
		`import "time"; var _ = time.NewTimer(1)`,
		`import "time"; var _ = time.NewTicker(1)`,
		`import "time"; var _ = time.Tick(1)`,
		`import "time"; func f() { time.Sleep(1) }`,
		`import "fmt"; func f() { fmt.Println() }`,
		`func f() { println() }`,
		`func f() { go f() }`,
		`func f() { select {} }`,
		`var _ = make(chan int)`,
		`func f(c <-chan int) {}`,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "source.go", "package lease; "+source, parser.SkipObjectResolution)
		require.NoError(t, err, source)
		assert.NotEmpty(t, impurities(fset, file), source)
	}
}

func TestNothingOutsideTestsImportsTesting(t *testing.T) {
	t.Parallel()
	for _, system := range systems {
		for _, p := range goList(t, system, "./...") {
			if slices.Contains(testHelpers, p.ImportPath) {
				continue
			}
			for _, dep := range p.Deps {
				assert.Falsef(t, within(dep, "testing", "github.com/stretchr/testify"), "%s imports %s on %s, perhaps by way of another package", p.ImportPath, dep, system)
				assert.Falsef(t, slices.Contains(testHelpers, dep), "%s imports %s on %s, which is for tests", p.ImportPath, dep, system)
			}
		}
	}
}

// goPackage is what these tests need of the go command's description of a package. Deps are all
// imports of its non-test files, transitively.
type goPackage struct {
	ImportPath string
	Standard   bool
	Deps       []string
}

func goList(t *testing.T, system string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Standard,Deps"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoErrorf(t, err, "%s: %s", cmd, &stderr)

	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p goPackage
		require.NoError(t, dec.Decode(&p))
		packages = append(packages, p)
	}
	require.NotEmpty(t, packages)
	return packages
}

// parseGo parses all files of a package but its tests, whatever system they are for.
func parseGo(t *testing.T, fset *token.FileSet, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
	}
	return files
}

// impurities lists everything in a file by which a state machine could act on its own or see
// something it was not told.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var found []string
	report := func(node ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%v: ", fset.Position(node.Pos()))+fmt.Sprintf(format, args...))
	}

	forbiddenNames := map[string][]string{ // of functions, by package
		"time": {"Now", "Since", "Until", "After", "AfterFunc", "NewTicker", "NewTimer", "Sleep", "Tick"},
		"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	}
	packages := map[string]string{} // path by name in this file
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		packages[name] = path
		switch {
		case name == ".":
			report(spec, "imports %s by a dot, which hides what is used of it", path)
		case within(path, "C", "context", "crypto/rand", "embed", "io/fs", "log", "math/rand", "net", "os", "plugin", "runtime", "sync", "syscall", "unsafe"):
			report(spec, "imports %s", path)
		}
	}

	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			report(node, "starts a goroutine")
		case *ast.ChanType:
			report(node, "has a channel")
		case *ast.SelectStmt:
			report(node, "selects on channels")
		case *ast.CallExpr:
			if name, ok := node.Fun.(*ast.Ident); ok && (name.Name == "print" || name.Name == "println") {
				report(node, "calls %s", name.Name)
			}
		case *ast.SelectorExpr:
			if name, ok := node.X.(*ast.Ident); ok && slices.Contains(forbiddenNames[packages[name.Name]], node.Sel.Name) {
				report(node, "uses %s.%s", packages[name.Name], node.Sel.Name)
			}
		}
		return true
	})
	return found
}

// within reports whether the import path is one of the roots or below one.
func within(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}
