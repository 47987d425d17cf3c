package sim

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/mutation"
)

// quickMutants are the mistakes that ordinary tests try too, of the storage and of peers: enough to see that the simulation catches
// any. make mutants tries all of them.
var quickMutants = []string{"trust-from-answer", "failure-is-success", "peer-answers-now", "peer-told-before-release"}

// TestMutantsAreCaught makes each mistake of testdata/mutants in a copy of the source and demands
// that the simulation finds the violation that it expects. Only that kind counts, so that the
// stricter checks beside it do not take the credit.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module once per mutant")
	}
	mutants := mutation.ReadAll(t, "schedule", "expect")
	require.GreaterOrEqual(t, len(mutants), 5)
	for _, m := range mutants {
		if !*allMutants && !slices.Contains(quickMutants, m.Name) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel() // one can be linked, which keeps one processor busy, while another is judged
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", m.Overlay(t, "../.."),
				"-vet=off", "-run", "^TestMixedSchedule$", "-count=1", "-timeout=5m", ".",
				"-args", "-sim.schedule="+m.Fields["schedule"], "-sim.only="+m.Fields["expect"], "-sim.seeds=2000", "-sim.failures=1")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the mutant was not caught:\n%s", out)
			require.Contains(t, string(out), "  "+m.Fields["expect"]+" at ", "the mutant failed for another reason:\n%.4000s", out)
		})
	}
}
