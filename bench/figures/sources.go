package figures

import (
	"strconv"

	"github.com/seed-6dc909bb/s3lect/internal/figure"
)

// Sources are all tests and benchmarks whose figures are published, in the order of the page.
func Sources() []Source {
	return []Source{failover(), peers(), quorum(), hourly(), processes(), handoffs(), roster(), calls(), idle(), followers(), rounds(), elections(), simulation()}
}

// pick returns one of two values.
func pick[T any](condition bool, yes, no T) T {
	if condition {
		return yes
	}
	return no
}

// simulated are the arguments of tests that elect so many leaders in fake time.
func simulated(tests string) func(quick bool) []string {
	return func(quick bool) []string {
		return []string{"-run", "^(" + tests + ")$", "-count=1", "-timeout=60m", "./internal/sim", "-args", "-sim.crashes=" + pick(quick, "10", "1000")}
	}
}

func failover() Source {
	return Source{
		Name: "failover", Title: "Failover",
		arguments: simulated("TestFailoverStaysWithinItsBounds"),
		cases: []string{
			"default intervals, crash", "both intervals equal, crash", "default intervals, graceful stop", "both intervals equal, graceful stop",
		},
		metrics: []string{"time", figure.BoundMetric},
	}
}

func peers() Source {
	return Source{
		Name: "peers", Title: "Failover in peer mode",
		arguments: simulated("TestPeersFailOverWithinALease|TestPeersHandOverInMilliseconds|TestHundredPeersDoNotStampede|" +
			"TestLyingPeerDelaysTheFailoverByLessThanFourLeases"),
		cases: []string{
			"crash, connections break, 1 follower", "crash, connections break, 4 followers", "crash in silence, 1 follower", "crash in silence, 4 followers",
			"`Stop`, 4 followers", "`Resign`, 4 followers", "`TransferLeadership`, 4 followers",
			"`Resign`, 99 followers", "`Stop`, 99 followers", "crash, connections break, 99 followers",
			"crash, connections break, and at the address a peer lies, 4 followers",
		},
		metrics: []string{"time", figure.BoundMetric, "refused claims", figure.BoundMetric + " of refused claims"},
	}
}

func quorum() Source {
	return Source{
		Name: "quorum", Title: "Failover with a quorum",
		arguments: simulated("TestQuorumLossAndReturn|TestQuorumFailover"),
		cases: []string{
			"too few members, until the leader steps down, storage alone", "too few members, until the leader steps down, peer mode",
			"enough again, until somebody leads, storage alone", "enough again, until somebody leads, peer mode",
			"crash of the leader, storage alone", "crash of the leader, peer mode", "`Stop` of the leader, storage alone", "`Stop` of the leader, peer mode",
		},
		metrics: []string{"time", figure.BoundMetric},
	}
}

func hourly() Source {
	return Source{
		Name: "hourly", Title: "Requests per hour",
		arguments: simulated("TestRequestsPerHourOfASteadyElection|TestRequestsPerHourOfPeers|TestQuorumRequestsPerHour"),
		cases: []string{
			"one leader and four followers", "one leader and four followers in peer mode",
			"5 members, 5 of them voting, quorum 3, storage alone", "5 members, 5 of them voting, quorum 3, peer mode",
			"50 members, 5 of them voting, quorum 26, storage alone", "50 members, 5 of them voting, quorum 26, peer mode",
			"50 members, 50 of them voting, quorum 26, storage alone", "50 members, 50 of them voting, quorum 26, peer mode",
		},
		metrics: []string{
			"writes", "reads", "refused writes",
			"writes of the record", "reads of the record", "writes of the list", "of which refused", "reads of the list",
		},
	}
}

func processes() Source {
	return Source{
		Name: "processes", Title: "Failover of real processes",
		arguments: func(quick bool) []string {
			return []string{"-run", "^TestOneLeaderAtATimeUnderRealFaults$", "-count=" + pick(quick, "1", "5"), "-timeout=30m", "./internal/e2e"}
		},
		cases: []string{
			"the leader is killed", "the leader is stopped and continued", "the leader's connections to the storage stall",
			"the leader's connections to the storage are reset", "the leader is asked to end",
		},
		metrics:  []string{"time until the next one leads"},
		programs: []program{versitygw},
	}
}

func handoffs() Source {
	return Source{
		Name: "handoffs", Title: "Handoffs of real processes",
		arguments: func(quick bool) []string {
			return []string{"-run", "^TestHandoffsOfPeersTakeNoWaiting$", "-count=" + pick(quick, "1", "3"), "-timeout=30m", "./internal/e2e"}
		},
		cases:    []string{"TERM to the leader", "`s3lect transfer`"},
		metrics:  []string{"time without a job"},
		programs: []program{versitygw},
	}
}

// benchmarks are the arguments of those of a package.
func benchmarks(pattern string, more ...string) func(quick bool) []string {
	return func(quick bool) []string {
		return append([]string{"-run", "^$", "-bench", pattern, "-benchmem", "-count=" + pick(quick, "1", "10"), "-timeout=60m"}, more...)
	}
}

func roster() Source {
	s := Source{
		Name: "roster", Title: "What observers cost a member",
		arguments: benchmarks(".", "./internal/roster"),
		names:     map[benchmark]place{},
		metrics:   []string{"a heartbeat", "its allocations", "its list", "until when there are enough", "allocations of that"},
	}
	for _, n := range []string{"5", "50", "500"} {
		members := n + " members"
		s.cases = append(s.cases, members)
		s.names[benchmark{"Heartbeat/" + n, "sec/op", 0}] = place{members, "a heartbeat", "s"}
		s.names[benchmark{"Heartbeat/" + n, "allocs/op", 0}] = place{members, "its allocations", "1"}
		s.names[benchmark{"Heartbeat/" + n, "B/roster", 0}] = place{members, "its list", "B"}
		s.names[benchmark{"Quorum/" + n, "sec/op", 0}] = place{members, "until when there are enough", "s"}
		s.names[benchmark{"Quorum/" + n, "allocs/op", 0}] = place{members, "allocations of that", "1"}
	}
	return s
}

func calls() Source {
	s := Source{
		Name: "calls", Title: "What asking an elector costs",
		arguments: benchmarks("^(BenchmarkIsLeader|BenchmarkTerm|BenchmarkTimeNow)$", "-cpu", "1,2", "."),
		names:     map[benchmark]place{},
		metrics:   []string{"one core", "two cores", "allocations"},
	}
	for _, c := range [][2]string{{"IsLeader", "`IsLeader`"}, {"Term", "`Term`"}, {"TimeNow", "`time.Now`"}} {
		s.cases = append(s.cases, c[1])
		s.names[benchmark{c[0], "sec/op", 1}] = place{c[1], "one core", "s"}
		s.names[benchmark{c[0], "sec/op", 2}] = place{c[1], "two cores", "s"}
		s.names[benchmark{c[0], "allocs/op", 1}] = place{c[1], "allocations", "1"}
	}
	return s
}

func idle() Source {
	return Source{
		Name: "idle", Title: "Many electors in one process",
		repeat: 20, // what one run leaves to the next would make it look cheap
		arguments: func(bool) []string {
			return []string{"-run", "^TestThousandIdleElectorsCostLittle$", "-count=1", "-timeout=30m", "."}
		},
		cases:   []string{"per elector"},
		metrics: []string{"heap and stack", "goroutines"},
	}
}

func followers() Source {
	s := Source{
		Name: "followers", Title: "Many followers on one leader",
		repeat: 10, // what one run leaves to the next would make it look cheap
		arguments: func(bool) []string {
			return []string{"-run", "^$", "-bench", "^BenchmarkThousandWaitingFollowers$", "-benchtime", "1x", "-count=1", "-timeout=30m", "."}
		},
		names:   map[benchmark]place{},
		metrics: []string{"heap and stack", "goroutines"},
	}
	for _, c := range [][2]string{
		{"elector", "the elector itself, a goroutine that waits included"},
		{"mutual_TLS", "with a connection each, over mutual TLS and HTTP/2, both ends in the same process"},
	} {
		s.cases = append(s.cases, c[1])
		s.names[benchmark{"ThousandWaitingFollowers/" + c[0], "B/follower", 0}] = place{c[1], "heap and stack", "B"}
		s.names[benchmark{"ThousandWaitingFollowers/" + c[0], "goroutines/follower", 0}] = place{c[1], "goroutines", "1"}
	}
	return s
}

func rounds() Source {
	s := Source{
		Name: "rounds", Title: "Elections once per round, over HTTP",
		arguments: func(quick bool) []string {
			return []string{
				"-run", "^TestSpeedOfElectionsSideBySide$", "-count=1", "-timeout=60m", "./internal/roundsbench",
				"-args", "-bench.speed", "-bench.count=" + pick(quick, "1", "15"), "-bench.time=" + pick(quick, "100ms", "500ms"),
			}
		},
		programs: []program{versitygw, redis},
	}
	for _, subject := range []string{"Redis", "SET NX", "directory", "versitygw"} {
		for _, clients := range []int{1, 16, 64} {
			s.cases = append(s.cases, subject+", clients: "+strconv.Itoa(clients))
		}
	}
	for _, who := range []string{"winners", "losers"} {
		s.metrics = append(s.metrics, who+" per second", who+" to those of SET NX", "p50 of "+who, "p99 of "+who)
	}
	return s
}

func elections() Source {
	s := Source{
		Name: "elections", Title: "Elections once per round, in memory",
		arguments: benchmarks(".", "./rounds"),
		names:     map[benchmark]place{},
		metrics:   []string{"time", "allocations"},
	}
	for _, c := range [][2]string{
		{"Round/elect_and_complete", "a round is won and completed"},
		{"Round/elected", "who has won is asked"},
		{"Handler/winner", "a round is won, through the handler"},
		{"Handler/loser", "a round is lost, through the handler"},
		{"Handler/without_a_handler", "what a test of the handler takes itself"},
	} {
		s.cases = append(s.cases, c[1])
		s.names[benchmark{c[0], "sec/op", 0}] = place{c[1], "time", "s"}
		s.names[benchmark{c[0], "allocs/op", 0}] = place{c[1], "allocations", "1"}
	}
	return s
}

func simulation() Source {
	return Source{
		Name: "simulation", Title: "The simulation itself",
		arguments: func(quick bool) []string {
			return []string{"-run", "^TestMixedSchedule$", "-count=1", "-timeout=3h", "./internal/sim", "-args", "-sim.seeds=" + pick(quick, "20", "10000")}
		},
		cases:   []string{"mixed"},
		metrics: []string{"time", "seeds", "leaderships", "requests"},
	}
}
