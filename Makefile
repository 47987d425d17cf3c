# `make` alone prints what there is.

ifeq ($(filter oneshell,$(.FEATURES)),)
$(error GNU make 3.82 or newer is needed: older ones ignore .SHELLFLAGS and would hide failures)
endif

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

GO ?= go

# Under pipefail no recipe may use `grep -q`: it ends early, and the command before it then fails.

# What can be set on the command line, as in `make sim SEEDS=500`. Six runs are the fewest from
# which benchstat estimates an error.
SEEDS       ?= 10000
EACH        ?= 100
START       ?= 1
SEED        ?=
SIMTIMEOUT  ?= 3h
WEATHER     ?= mixed
CRASHES     ?= 1000
ROUNDS      ?= 100
COUNT       ?= 5
FUZZTIME    ?= 30s
BENCH       ?= .
BENCHCOUNT  ?= 6
BENCHTIME   ?= 1s
BUCKET      ?=
BIN         ?= bin
TESTFLAGS   ?=

# Systems on which the code must compile, tests included. The last one has 32-bit words.
PLATFORMS ?= windows/amd64 darwin/arm64 freebsd/amd64 linux/386

# What make failover runs: without and with peer mode, a peer that lies, and with a quorum.
MEASUREMENTS := TestFailoverStaysWithinItsBounds|TestRequestsPerHourOfASteadyElection|TestPeers.*|TestRequestsPerHourOfPeers|TestHundredPeersDoNotStampede|TestLyingPeerDelaysTheFailoverByLessThanFourLeases|TestQuorum.*

TOOLS := golangci-lint versitygw benchstat

##@ Every day

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the command into bin/, as one static file
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/s3lect

.PHONY: test
test: .tools/versitygw ## Run all tests of both modules with the race detector, against real servers too
	$(GO) test -race -shuffle=on -timeout=15m $(TESTFLAGS) ./...
	$(MAKE) -C consensus test

.PHONY: lint
lint: .tools/golangci-lint tidy-check ## Check formatting, go vet, golangci-lint and the go.mod files
	@unformatted=$$(gofmt -s -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -s -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	.tools/golangci-lint run ./...

.PHONY: tidy-check
tidy-check: ## Check that go.mod and go.sum are what go mod tidy writes
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

##@ Evidence

.PHONY: race
race: .tools/versitygw ## Run all tests COUNT times with the race detector
	$(GO) test -race -shuffle=on -count=$(COUNT) -timeout=60m $(TESTFLAGS) ./...

# A run that matches no test passes, hence the look at the list of tests first.
.PHONY: sim
sim: ## Simulate SEEDS schedules of all faults from START on, and EACH of one kind alone; or replay SEED with its log
	@for name in TestMixedSchedule TestEachFaultAlone; do \
		$(GO) test -list "^$$name\$$" ./internal/sim | grep "^$$name\$$" >/dev/null || { echo "internal/sim has no $$name"; exit 1; }; \
	done
ifeq ($(SEED),)
	$(GO) test -run '^(TestMixedSchedule|TestEachFaultAlone)$$' -count=1 -timeout=$(SIMTIMEOUT) $(TESTFLAGS) ./internal/sim \
		-args -sim.seeds=$(SEEDS) -sim.each=$(EACH) -sim.start=$(START)
else
	$(GO) test -run '^TestMixedSchedule$$' -count=1 -timeout=$(SIMTIMEOUT) -v $(TESTFLAGS) ./internal/sim \
		-args -sim.seed=$(SEED)
endif

# A seed takes milliseconds, so that this runs them all under each kind of fault, too.
.PHONY: rounds-sim
rounds-sim: ## The same for once-per-round elections: SEEDS, or SEED under WEATHER (mixed) with its log
	@$(GO) test -list '^TestMixedRounds$$' ./internal/roundsim | grep '^TestMixedRounds$$' >/dev/null || \
		{ echo "internal/roundsim has no TestMixedRounds"; exit 1; }
ifeq ($(SEED),)
	$(GO) test -run '^(TestMixedRounds|TestEachFaultAlone)$$' -count=1 -timeout=$(SIMTIMEOUT) -v $(TESTFLAGS) ./internal/roundsim \
		-args -rounds.seeds=$(SEEDS) -rounds.each=$(SEEDS) -rounds.start=$(START) | grep -vE '^ *(=== |--- PASS)'
else
	$(GO) test -run '^TestMixedRounds$$' -count=1 -timeout=$(SIMTIMEOUT) -v $(TESTFLAGS) ./internal/roundsim \
		-args -rounds.seed=$(SEED) -rounds.weather=$(WEATHER)
endif

.PHONY: rounds-race
rounds-race: .tools/versitygw ## Have 1,000 clients race for each of ROUNDS rounds on every storage, and faults strike 5 times
	$(GO) test -run '^TestOfAThousandClientsExactlyOneIsTold202$$' -count=1 -timeout=60m -v $(TESTFLAGS) ./internal/roundsbench \
		-args -bench.rounds=$(ROUNDS)
	$(GO) test -run '^TestAtMostOneIsToldThatItHasWonWhileServersAndStorageFail$$' -count=1 -timeout=60m -v $(TESTFLAGS) ./internal/e2e \
		-args -e2e.rounds=5

.PHONY: rounds-bench
rounds-bench: .tools/versitygw ## Measure elections over HTTP beside a bare SET NX; wants a machine for itself
	$(GO) test -run '^TestSpeedOfElectionsSideBySide$$' -count=1 -timeout=60m -v $(TESTFLAGS) ./internal/roundsbench -args -bench.speed
	$(GO) test -run '^$$' -bench . -benchmem ./rounds

.PHONY: mutants
mutants: ## Make deliberate mistakes in the protocols; the simulations must catch each
	$(GO) test -run '^TestMutantsAreCaught$$' -count=1 -timeout=30m -v $(TESTFLAGS) ./internal/sim -args -sim.mutants
	$(GO) test -run '^TestMutantsAreCaught$$' -count=1 -timeout=30m -v $(TESTFLAGS) ./internal/roundsim -args -rounds.mutants

.PHONY: failover
failover: ## Measure failover and handoff over CRASHES simulated crashes, and requests per hour
	$(GO) test -run '^($(MEASUREMENTS))$$' -count=1 -timeout=30m -v $(TESTFLAGS) ./internal/sim -args -sim.crashes=$(CRASHES)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@found=0; \
	for dir in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$dir"/*_test.go); do \
			echo "$$dir: $$target"; found=1; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$dir"; \
		done; \
	done; \
	[ $$found = 1 ] || { echo "no fuzz target found"; exit 1; }

.PHONY: bench
bench: .tools/benchstat ## Run the benchmarks BENCHCOUNT times, into bench.out
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count=$(BENCHCOUNT) -benchtime=$(BENCHTIME) -timeout=60m ./... | tee bench.out
	.tools/benchstat bench.out

.PHONY: cover
cover: .tools/versitygw ## Measure how much of the code the tests run, into coverage.out
	$(GO) test -covermode=atomic -coverpkg=./... -coverprofile=coverage.out -timeout=15m $(TESTFLAGS) ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: test-acc
test-acc: ## Run the storage and election tests against a bucket of yours: BUCKET=name
	@[ -n "$(BUCKET)" ] || { echo "name the bucket: make test-acc BUCKET=my-bucket"; exit 2; }
	@$(GO) test -list Acceptance . ./stores/... | grep Acceptance >/dev/null || { echo "there is no acceptance test"; exit 1; }
	S3LECT_TEST_BUCKET=$(BUCKET) $(GO) test -race -count=1 -v -timeout=30m -run Acceptance $(TESTFLAGS) . ./stores/...

##@ Before a release

# A copy of what is committed, outside of this directory, with none of its settings: what
# `go install` does on a stranger's machine. That command refuses a go.mod that replaces modules.
.PHONY: install-check
install-check: ## Build, install and run the command from a clean copy of HEAD
	@if $(GO) mod edit -json | grep -E '"(Replace|Exclude)": \[' >/dev/null; then \
		echo "go.mod must not replace or exclude modules: go install refuses it"; exit 1; fi
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	mkdir "$$dir/src" "$$dir/bin"; \
	git archive HEAD | tar -x -C "$$dir/src"; \
	cd "$$dir/src"; \
	GOFLAGS= GOWORK=off GOBIN="$$dir/bin" $(GO) install ./cmd/s3lect; \
	"$$dir/bin/s3lect" version

# Nothing of it is run, so that nothing needs to be optimised, which would take nearly half of the time. Vet looks at tests, too,
# and building links.
.PHONY: cross
cross: ## Check that this module and consensus, tests included, compile for the other PLATFORMS
	@for platform in $(PLATFORMS); do \
		echo "$$platform"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0; \
		$(GO) build -gcflags='all=-N -l' ./...; \
		$(GO) vet -gcflags='all=-N -l' ./...; \
	done
	@$(MAKE) -C consensus cross PLATFORMS='$(PLATFORMS)'

##@ Tools

.PHONY: tools
tools: $(TOOLS:%=.tools/%) ## Build the pinned development tools into .tools/

# The tools module stays out of every workspace: its requirements must not move ours.
# touch: the go command leaves a binary alone that it finds up to date.
.tools/%: tools/go.mod tools/go.sum
	@mkdir -p .tools
	GOWORK=off $(GO) -C tools build -o ../.tools/ $$(GOWORK=off $(GO) -C tools list tool | grep '/$*$$')
	@touch $@

.PHONY: clean
clean: ## Remove what was built or measured here, but not the tools
	rm -rf bin bench.out coverage.out
