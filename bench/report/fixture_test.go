package report

import (
	"fmt"
	"time"

	"github.com/seed-6dc909bb/s3lect/bench/result"
)

// fixture is tables with the names, metrics and cases of what is measured, and made-up figures.
func fixture() map[string]*result.Table {
	contenders := []string{"s3lect", "s3lect, equal intervals", "s3lect, peer mode", "client-go", "litestream", "redsync", "client-go, releasing"}
	tables := map[string]*result.Table{}
	add := func(name string, cells ...result.Cell) {
		tables[name] = &result.Table{
			Name: name, Title: "Fixture of " + name, Command: "go run . measure " + name, Machine: "no machine", Go: "go0.0",
			Began: time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC), Took: 83 * time.Second, Cells: cells,
			Modules: map[string]string{"example.com/a": "v1.2.3"},
		}
	}
	named := []string{"partition, connections break", "wall clocks step by up to 20 s", "frozen processes"} // of which the text speaks
	var gaps, overlaps, requests, costs, isleader, leases []result.Cell
	for i, contender := range contenders {
		of := float64(i + 1)
		for j, fault := range []string{"crash", "graceful stop", "frozen leader", "cut off from storage"} {
			c := result.Cell{Contender: contender, Case: fault, Metric: "time without a leader", Unit: "s"}
			if contender == "litestream" && j == 2 {
				c.Note = "it ends by itself"
			} else {
				c = c.Summarize([]float64{of, of * 3, of*4 + float64(j), of*5 + float64(j)})
			}
			gaps = append(gaps, c)
		}
		for j := range 16 {
			c := result.Cell{Contender: contender, Case: fmt.Sprintf("fault %d, which may hang", j), Metric: overlapsMetric, Unit: "1"}
			if j < len(named) {
				c.Case = named[j]
			}
			if j == 15 {
				c.Case = "the record is deleted"
			}
			if contender == "redsync" && j%5 == 1 {
				c.Note = "there is no such thing"
			} else {
				c.Runs, c.Median = 200, float64(max(0, i-2)*j*3)
				switch {
				case j == 15:
					c.Note = "it is assumed not to happen"
				case contender == "redsync" && j == 14:
					c.Note = "spared some of it"
				}
			}
			total := c
			total.Metric, total.Unit, total.Median = "two leaders, total", "s", c.Median*1.7
			longest := total
			longest.Metric = "two leaders, longest"
			each, led := total, c
			each.Metric, led.Metric = "two leaders, in each run", "share of time with a leader"
			overlaps = append(overlaps, c, total, longest, each, led)
		}
		for _, followers := range []float64{4, 20, 100} {
			caseName := fmt.Sprintf("%.0f followers", followers)
			requests = append(requests,
				result.Cell{Contender: contender, Case: caseName, Metric: "requests per month", Unit: "1", X: followers}.Summarize([]float64{of * 1e5 * followers}),
				result.Cell{Contender: contender, Case: caseName, Metric: "reads per month", Unit: "1", X: followers}.Summarize([]float64{of * 9e4 * followers}),
				result.Cell{Contender: contender, Case: caseName, Metric: "writes per month", Unit: "1", X: followers}.Summarize([]float64{of * 1e4 * followers}),
				result.Cell{Contender: contender, Case: caseName, Metric: "dollars per month", Unit: "$", X: followers}.Summarize([]float64{of * followers / 10}))
		}
		for _, caseName := range []string{"1 elector", "1,000 electors"} {
			costs = append(costs,
				result.Cell{Contender: contender, Case: caseName, Metric: "heap", Unit: "B"}.Summarize([]float64{8000 * of}),
				result.Cell{Contender: contender, Case: caseName, Metric: "stacks", Unit: "B"}.Summarize([]float64{2000 * of}),
				result.Cell{Contender: contender, Case: caseName, Metric: "goroutines", Unit: "1"}.Summarize([]float64{of}),
				result.Cell{Contender: contender, Case: caseName, Metric: "processor time per minute", Unit: "s"}.Summarize([]float64{0.001 * of}))
		}
		for j, cores := range []string{"1 core", "2 cores"} {
			isleader = append(isleader, result.Cell{Contender: contender, Case: cores, Metric: "IsLeader", Unit: "ns"}.Summarize([]float64{50 * of / float64(j+1)}))
		}
		for _, lease := range []float64{5, 15, 30, 60} {
			leases = append(leases, result.Cell{Contender: contender, Case: fmt.Sprintf("lease %.0f s", lease), X: lease,
				Metric: "time without a leader after a crash", Unit: "s"}.Summarize([]float64{lease + of, lease + 2*of}))
		}
	}
	for _, lease := range []float64{5, 15, 30, 60} {
		leases = append(leases, result.Cell{Contender: limitName, Case: fmt.Sprintf("lease %.0f s", lease), X: lease,
			Metric: "time without a leader after a crash", Unit: "s"}.Summarize([]float64{lease * 0.9}))
	}
	for _, cores := range []string{"1 core", "2 cores"} {
		isleader = append(isleader, result.Cell{Contender: "time.Now", Case: cores, Metric: "IsLeader", Unit: "ns"}.Summarize([]float64{45}))
	}
	var etcd []result.Cell
	for i, event := range []string{"crash", "graceful stop", "frozen leader", "cut off from storage"} {
		etcd = append(etcd, result.Cell{Contender: "etcd", Case: event, Metric: "time without a leader", Unit: "s"}.Summarize([]float64{7.89 + float64(i)}))
	}
	add("etcd", append(etcd,
		result.Cell{Contender: "etcd", Case: "cut off from storage", Metric: "two leaders", Unit: "s"}.Summarize([]float64{0.56}),
		result.Cell{Contender: "etcd", Case: "4 followers", Metric: "requests per month", Unit: "1", X: 4}.Summarize([]float64{1234567}))...)
	add("gaps", gaps...)
	add("overlaps", overlaps...)
	add("requests", requests...)
	add("costs", costs...)
	add("isleader", isleader...)
	add("leases", leases...)
	return tables
}
