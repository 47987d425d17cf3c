package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const envPrefix = "S3LECT_"

// flagOnly marks flags that are decisions of the moment: what is left in an environment must not
// take them.
const flagOnly = "flag-only"

// bindEnvironment sets flags that are not on the command line from the environment. An empty
// variable counts as none.
func (a *App) bindEnvironment(cmd *cobra.Command) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, excepted := f.Annotations[flagOnly]
		value, set := a.LookupEnv(envName(f.Name))
		if first != nil || f.Changed || excepted || !set || value == "" || f.Name == "help" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			first = usageErrorf("environment variable %s: %w", envName(f.Name), reason(err))
		}
	})
	return first
}

// reason strips the name of the flag from the error of a value, where the variable is to blame.
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

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func markFlagOnly(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.Flags().SetAnnotation(name, flagOnly, nil) // fails for flags that do not exist only
	}
}
