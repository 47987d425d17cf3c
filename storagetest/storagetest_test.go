package storagetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect"
	"github.com/seed-6dc909bb/s3lect/stores/memory"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) s3lect.Storage { return memory.New() })
}

func TestADirectoryKeepsTheContract(t *testing.T) {
	Run(t, func(t *testing.T) s3lect.Storage {
		t.Helper()
		m, err := s3lect.NewMockStorage(t.TempDir())
		require.NoError(t, err)
		return m
	})
}

func TestASharedStorageKeepsTheContractAndIsLeftTidy(t *testing.T) {
	kept := &keyCounter{Storage: memory.New()}
	Run(t, func(*testing.T) s3lect.Storage { return kept })
	assert.Empty(t, kept.keys)
}

// plain hides all optional capabilities.
type plain struct{ s3lect.Storage }

func TestAStorageWithoutCapabilitiesKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) s3lect.Storage { return plain{memory.New()} })
}
