package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATableWhoseServerIsNotInstalledIsLeftAsItWas(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var said bytes.Buffer
	c := Command()
	c.SetArgs([]string{"measure", "etcd"})
	c.SetErr(&said)
	require.NoError(t, c.ExecuteContext(t.Context()))
	assert.Contains(t, said.String(), "left as it was: measure etcd: what it needs is not installed: etcd")
}
