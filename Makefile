# Two commands for newcomers: `make demo` and `make test`. Both set up what they need and do no work twice.
SHELL := /bin/bash
build_tests := swift build --build-tests --explicit-target-dependency-import-check error
formatted := Package.swift Sources Tests Benchmarks

.PHONY: help demo test faults check lint format build tools tools-demo bench release clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: tools-demo ## the medallion run on real data, from nothing; Ctrl-C ends everything it started
	@Examples/demo

test: tools check ## set up, then everything that CI checks

faults: tools build ## the fault suites for longer, and how many faults of each kind were injected and survived
	@.ci/faults

check: lint build ## format lint, strict build, all tests, 2000 simulated schedules (needs `make tools` once)
	@.ci/tests --skip SimulationTests
	@.ci/simulation

lint: ## swift-format, without changing anything
	@swift format lint --strict --recursive --parallel --configuration .swift-format $(formatted)

format: ## swift-format, in place
	@swift format --in-place --recursive --parallel --configuration .swift-format $(formatted)

build: ## debug build of everything, warnings and undeclared imports being errors
	@$(build_tests)

tools: ## what the tests need: system packages, .tools/
	@.ci/tools test

tools-demo: ## what the demo needs
	@.ci/tools demo

bench: tools release ## the figures of docs/performance.md, as tables
	@Benchmarks/run

release: ## the programs as they are shipped
	@swift build --configuration release --static-swift-stdlib

clean: ## remove what was built, keep .tools/
	rm -rf .build .demo
