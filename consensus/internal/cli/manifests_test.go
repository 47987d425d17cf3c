package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The manifests for Kubernetes call the command; a flag that is gone must not be noticed in somebody's cluster.
func TestTheManifestsCallTheCommandInARightWay(t *testing.T) {
	const folder = "../../deploy/kubernetes"
	found := 0
	for _, pattern := range []string{"*.yaml", "*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		require.NoError(t, err)
		for _, file := range files {
			for _, args := range containerArgs(t, file) {
				found++
				code, _, stderr := newTerminal(t).run(args...)
				assert.Zero(t, code, "%s: %s", file, stderr)
			}
		}
	}
	assert.NotZero(t, found)
}

// containerArgs are those of all containers in a file, for a pod of its own.
func containerArgs(t *testing.T, file string) (all [][]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var object struct {
			Metadata struct{ Name string }
			Spec     struct {
				Template struct {
					Spec struct{ Containers []struct{ Args []string } }
				}
			}
		}
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		variables := strings.NewReplacer("$(POD_NAME)", object.Metadata.Name+"-0", "$(POD_NAMESPACE)", "orders")
		for _, container := range object.Spec.Template.Spec.Containers {
			var args []string
			for _, arg := range container.Args {
				args = append(args, variables.Replace(arg))
			}
			all = append(all, args)
		}
	}
}
