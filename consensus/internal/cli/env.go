package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const envPrefix = "RAFTD_"

// ownVariable marks a flag whose variable is not the one that its name makes, because a flag of other commands has that.
const ownVariable = "environment"

// bindEnvironment sets flags that are not on the command line from the environment. An empty variable counts as none.
func (a *App) bindEnvironment(cmd *cobra.Command) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, set := a.LookupEnv(envName(f))
		if first != nil || f.Changed || !set || value == "" || f.Name == "help" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			first = usageErrorf("environment variable %s: %w", envName(f), reason(err))
		}
	})
	return first
}

func envName(f *pflag.Flag) string {
	if own := f.Annotations[ownVariable]; len(own) > 0 {
		return own[0]
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

func setVariable(cmd *cobra.Command, flag, variable string) {
	_ = cmd.Flags().SetAnnotation(flag, ownVariable, []string{variable}) // fails for flags that do not exist only
}

// reason strips the name of the flag from the error of a value that came from elsewhere.
func reason(err error) error {
	var invalid *pflag.InvalidValueError
	var number *strconv.NumError
	switch {
	case errors.As(err, &number):
		return fmt.Errorf("invalid value %q: %w", number.Num, number.Err)
	case errors.As(err, &invalid):
		return fmt.Errorf("invalid value %q: %w", invalid.GetValue(), invalid.Unwrap())
	}
	return err
}
