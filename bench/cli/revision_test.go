package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATableNamesTheCommitThatWasMeasuredAndWhetherItWasChanged(t *testing.T) {
	root := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	assert.Empty(t, revision(t.Context(), root), "an archive has no commit")

	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "--message=first")
	clean := revision(t.Context(), root)
	assert.Regexp(t, "^[0-9a-f]{10}$", clean)

	require.NoError(t, os.Mkdir(filepath.Join(root, "docs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "performance.md"), nil, 0o644))
	assert.Equal(t, clean, revision(t.Context(), root), "what a report writes is not measured")

	require.NoError(t, os.WriteFile(filepath.Join(root, "elector.go"), nil, 0o644))
	assert.Equal(t, clean+" with changes", revision(t.Context(), root))
}
