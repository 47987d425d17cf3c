package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exactly demands a number of arguments and says what they are.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(names) == 0:
			return usageErrorf("%q takes no arguments, but there is %q; see its --help", cmd.CommandPath(), args[0])
		}
		return usageErrorf("%q needs %s, but there are %d arguments; see its --help", cmd.CommandPath(), strings.Join(names, " "), len(args))
	}
}

// atMostOne is for an argument that can be left out.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageErrorf("%q takes one argument at most, but there are %d; see its --help", cmd.CommandPath(), len(args))
	}
	return nil
}

// completeFlag offers values to the shell's completion.
func completeFlag(cmd *cobra.Command, name string, values ...cobra.Completion) {
	// An error would be one of this program: the flag does not exist, or has values already.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// flagError adds to an error about a flag where help is to be had, and what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if similar := similarFlag(cmd.Flags(), unknown.GetSpecifiedName()); similar != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, similar)
		}
	}
	return usageErrorf("%w\nSee \"%s --help\".", err, cmd.CommandPath())
}

// similarFlag returns the flag whose name is nearest to the given one, if any is near.
func similarFlag(flags *pflag.FlagSet, name string) string {
	best, distance := "", 3
	flags.VisitAll(func(f *pflag.Flag) {
		d := editDistance(name, f.Name)
		if strings.HasPrefix(f.Name, name) {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = f.Name, d
		}
	})
	return best
}

// editDistance counts the characters to insert, delete or replace to turn one name into the other.
func editDistance(from, to string) int {
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(to) {
			cost := diagonal
			if from[i] != to[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
