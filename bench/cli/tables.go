package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/seed-6dc909bb/s3lect/bench/figures"
	"github.com/seed-6dc909bb/s3lect/bench/internal/process"
	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// table is one that can be measured.
type table struct {
	name, title string
	measure     func(ctx context.Context, root string, quick bool, log io.Writer) (*result.Table, error)
}

// sideBySide are the tables that contenders share, each measured by one test of package measure.
var sideBySide = []struct {
	name, title, test string
	runs              int    // of each figure; never less than 200
	program           string // that is needed, and may be missing
}{
	{"overlaps", "Two leaders at once under each fault", "TestS3lectNeverHasTwoLeadersWhereItsAssumptionsHold", 200, ""},
	{"gaps", "Time without a leader", "TestAnotherLeadsWithinTheBounds", 1000, ""},
	{"leases", "Failover against the length of the lease", "TestFailoverIsInProportionToTheLease", 600, ""},
	{"requests", "Requests and dollars per month", "TestASteadyS3lectWritesOncePerRenewalAndInPeerModeFollowersHardlyRead", 200, ""},
	{"costs", "What an elector costs", "TestAnElectorOfAThousandTakesOneGoroutine", 200, ""},
	{"isleader", "Asking whether one leads", "TestALeaderThatIsAskedSaysYes", 200, ""},
	{"etcd", "etcd's concurrency.Election, in real time", "TestEtcdElectsAnotherLeader", 200, "etcd"},
	{"crosscheck", "The store in memory beside versitygw", "TestTheStoreInMemoryIsAskedAsOftenAsARealOne", 240, ""},
}

// quickRuns are enough to see that everything works.
const quickRuns = 2

// tables are all that there are.
func tables() []table {
	var all []table
	for _, s := range sideBySide {
		all = append(all, table{s.name, s.title, func(ctx context.Context, root string, quick bool, log io.Writer) (*result.Table, error) {
			if _, err := exec.LookPath(s.program); s.program != "" && err != nil {
				return nil, fmt.Errorf("measure %s: %w: %s", s.name, process.ErrNotInstalled, s.program)
			}
			runs := s.runs
			if quick {
				runs = quickRuns
			}
			return measureSideBySide(ctx, root, s.name, s.test, runs, log)
		}})
	}
	for _, s := range figures.Sources() {
		all = append(all, table{s.Name, s.Title, s.Collect})
	}
	return all
}

// find returns the tables of these names, or all if there are none.
func find(names []string) ([]table, error) {
	all := tables()
	if len(names) == 0 {
		return all, nil
	}
	var found []table
	for _, name := range names {
		i := slices.IndexFunc(all, func(t table) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no table %q; make list prints those that there are", name)
		}
		found = append(found, all[i])
	}
	return found, nil
}

// measureSideBySide runs the test that fills a table. Its measurements run in bubbles of fake time, which only tests can make.
func measureSideBySide(ctx context.Context, root, name, test string, runs int, log io.Writer) (*result.Table, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", name, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	out := filepath.Join(dir, name+".json")
	log = process.Locked(log)
	// Without the name of a package go test passes on at once what the test says, of which it would else say nothing.
	err = process.Run(ctx, filepath.Join(root, "bench", "measure"), log, log, "go", "test", "-run", "^"+test+"$", "-count=1", "-timeout=3h",
		"-args", fmt.Sprint("-runs=", runs), "-out="+out)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", name, err)
	}
	return result.Read(out)
}
