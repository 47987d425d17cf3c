//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// options say what is measured, and for how long.
type options struct {
	parts, stores, transports []string
	overheadStores            []string
	restoreStores             []string
	clients                   []int
	commandSize               int
	rounds, pairs             int
	length, pairLength        time.Duration
	failovers, handovers      int
	clusters                  int
	snapshotMiB               int
	idle                      time.Duration
	etcd                      bool
	directory                 string
	jsonFile, markdownFile    string
	command                   string // as it was typed, for the head of the result
}

func parseOptions(arguments []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	var parts, stores, transports, overheadStores, restoreStores, clients string
	quick := flags.Bool("quick", false, "measure everything in about a minute, roughly; flags that are given go before")
	flags.StringVar(&parts, "parts", strings.Join(allParts(), ","), "what to measure")
	flags.StringVar(&stores, "stores", strings.Join(allStores, ","), "storage engines")
	flags.StringVar(&transports, "transports", strings.Join(allTransports, ","), "transports")
	flags.StringVar(&overheadStores, "overhead-stores", "", "storage engines for the overhead; those of -stores if it is empty")
	flags.StringVar(&restoreStores, "restore-stores", "", "storage engines for restoring; those of -stores but memory if it is empty")
	flags.StringVar(&clients, "clients", "1,16,64,256", "numbers of clients")
	flags.IntVar(&o.commandSize, "size", 256, "bytes in a command")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of commits and reads, interleaved")
	flags.DurationVar(&o.length, "length", time.Second, "length of a round")
	flags.IntVar(&o.pairs, "pairs", 11, "pairs of rounds, ours and the bare engine's, for the overhead")
	flags.DurationVar(&o.pairLength, "pair-length", 700*time.Millisecond, "length of a round of a pair")
	flags.IntVar(&o.failovers, "failovers", 100, "failovers of each kind")
	flags.IntVar(&o.handovers, "handovers", 100, "handovers of each kind")
	flags.IntVar(&o.clusters, "clusters", 4, "clusters that fail over at the same time")
	flags.IntVar(&o.snapshotMiB, "snapshot-mib", 1024, "size of the snapshot that is restored, in MiB")
	flags.DurationVar(&o.idle, "idle", 20*time.Second, "how long idle nodes are watched")
	flags.BoolVar(&o.etcd, "etcd", true, "measure etcd beside")
	flags.StringVar(&o.directory, "dir", "", "directory for data; the system's for temporary files if it is empty")
	flags.StringVar(&o.jsonFile, "json", "", "file for the result as JSON")
	flags.StringVar(&o.markdownFile, "markdown", "", "file whose part between the marks, see the package, is replaced by the result; standard output if it is empty")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	o.command = strings.Join(append([]string{"go run ./bench"}, arguments...), " ")
	if *quick {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, value := range quickValues {
			if given[name] {
				continue
			}
			if err := flags.Set(name, value); err != nil {
				return o, err
			}
		}
	}
	for _, list := range []struct {
		name, given string
		all         []string
		into        *[]string
	}{
		{"parts", parts, allParts(), &o.parts},
		{"stores", stores, allStores, &o.stores},
		{"transports", transports, allTransports, &o.transports},
		{"overhead-stores", orElse(overheadStores, stores), allStores, &o.overheadStores},
		{"restore-stores", orElse(restoreStores, without(stores, "memory")), allStores[1:], &o.restoreStores},
	} {
		var err error
		if *list.into, err = chosen(list.name, list.given, list.all); err != nil {
			return o, err
		}
	}
	var err error
	o.clients, err = numbers("clients", clients)
	if err != nil {
		return o, err
	}
	return o, o.check()
}

// quickValues are those of -quick.
var quickValues = map[string]string{
	"rounds": "1", "length": "200ms", "pairs": "3", "pair-length": "200ms", "clients": "1,64",
	"failovers": "8", "handovers": "8", "snapshot-mib": "64", "idle": "3s", "restore-stores": defaultStore,
}

func orElse(value, other string) string {
	if value != "" {
		return value
	}
	return other
}

func without(list, name string) string {
	var kept []string
	for _, one := range strings.Split(list, ",") {
		if strings.TrimSpace(one) != name {
			kept = append(kept, one)
		}
	}
	if len(kept) == 0 {
		return defaultStore
	}
	return strings.Join(kept, ",")
}

func numbers(name, list string) ([]int, error) {
	var all []int
	for _, text := range strings.Split(list, ",") {
		number, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || number < 1 {
			return nil, fmt.Errorf("-%s: %q is not a number of 1 or more", name, text)
		}
		all = append(all, number)
	}
	return all, nil
}

func (o options) check() error {
	for name, number := range map[string]int{
		"size": o.commandSize, "rounds": o.rounds, "pairs": o.pairs, "failovers": o.failovers, "handovers": o.handovers,
		"clusters": o.clusters, "snapshot-mib": o.snapshotMiB,
	} {
		if number < 1 {
			return fmt.Errorf("-%s is %d: use 1 or more", name, number)
		}
	}
	for name, d := range map[string]time.Duration{"length": o.length, "pair-length": o.pairLength, "idle": o.idle} {
		if d < 10*time.Millisecond {
			return fmt.Errorf("-%s is %v: use 10ms or more", name, d)
		}
	}
	return nil
}
