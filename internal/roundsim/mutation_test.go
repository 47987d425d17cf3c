package roundsim

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6dc909bb/s3lect/internal/mutation"
)

// quickMutants are the mistakes that ordinary tests try too.
var quickMutants = []string{"anonymous-told-again", "no-second-look", "undecided-forgotten", "failure-is-success"}

// TestMutantsAreCaught makes each mistake of testdata/mutants in a copy of the library and demands
// that the simulation finds the violation that it expects. Only that kind counts, so that the
// stricter checks beside it do not take the credit.
func TestMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the module once per mutant")
	}
	for _, m := range mutation.ReadAll(t, "weather", "expect") {
		if !*allMutants && !slices.Contains(quickMutants, m.Name) {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel() // one can be linked, which keeps one processor busy, while another is judged
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", m.Overlay(t, "../.."),
				"-vet=off", "-run", "^TestMixedRounds$", "-count=1", "-timeout=5m", ".",
				"-args", "-rounds.weather="+m.Fields["weather"], "-rounds.only="+m.Fields["expect"], "-rounds.seeds=5000", "-rounds.failures=1")
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the mutant was not caught:\n%s", out)
			require.Contains(t, string(out), "  "+m.Fields["expect"]+" at ", "the mutant failed for another reason:\n%.4000s", out)
		})
	}
}
