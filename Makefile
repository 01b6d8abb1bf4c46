.DEFAULT_GOAL := help
SHELL := /bin/bash

# Envoy and other downloads stay in the checkout.
export PORTOLAN_CACHE ?= $(CURDIR)/.cache

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## demo: two zones, four Envoys and a global on loopback; ONCE=1 ends by itself, STORE=postgres uses a real Postgres
.PHONY: demo
demo:
	@scripts/setup $(if $(filter postgres,$(STORE)),test,build)
	@cargo build --release --bin portolan
	@target/release/portolan demo --store $(or $(STORE),sqlite) $(if $(ONCE),--once)

## test: unit tests and whole-system tests, with a real Envoy, a real Postgres and a real nginx
.PHONY: test
test:
	@scripts/setup
	@cargo build --workspace --all-targets
	ENVOY_BIN=$$(target/debug/portolan dp install-envoy) cargo test --workspace

## test-compose: docker-compose.yml from a cold start, with scaling under load and real faults; needs Docker
.PHONY: test-compose
test-compose:
	@scripts/setup compose
	@tests/compose/run

## lint: format, clippy without a warning, licences and advisories of the dependencies
.PHONY: lint
lint:
	@scripts/setup build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@scripts/deny

## bench: propagation, write rate, CPU and memory with real processes; prints a table
.PHONY: bench
bench:
	@scripts/setup
	@cargo build --release --workspace
	@ENVOY_BIN=$$(target/release/portolan dp install-envoy) target/release/portolan-bench gateway

## bench-gateway: requests/s of gateways with up to 10,000 routes beside Kuma's list, nginx and HAProxy, TLS handshakes, starts; prints tables
.PHONY: bench-gateway
bench-gateway:
	@scripts/setup bench
	@cargo build --release --workspace
	@ENVOY_BIN=$$(target/release/portolan dp install-envoy) target/release/portolan-bench traffic

## bench-leaves: requests/s and loading times by the length of lists of routes; prints a table
.PHONY: bench-leaves
bench-leaves:
	@scripts/setup bench
	@cargo build --release --workspace
	@ENVOY_BIN=$$(target/release/portolan dp install-envoy) target/release/portolan-bench leaves

## bench-scale: a hundred zones on one global, and a thousand gateway instances in one zone; prints tables
.PHONY: bench-scale
bench-scale:
	@scripts/setup
	@cargo build --release --workspace
	@target/release/portolan-bench zones
	@target/release/portolan-bench instances

## bench-compile: what routes, and one change among them, cost the compiler; prints times
.PHONY: bench-compile
bench-compile:
	@scripts/setup build
	@cargo bench --quiet -p portolan-gateway --bench compile

## fuzz: throws bytes at everything that reads from outside, SECONDS=60 for each target; see fuzz/README.md
.PHONY: fuzz
fuzz:
	@scripts/setup build
	@scripts/fuzz $(or $(SECONDS),60)

## fuzz-routes: random route tables, and REQUESTS=200000 for them; lists, trees and a plain reference agree in a real Envoy; SEED=n, REPLAY=file
.PHONY: fuzz-routes
fuzz-routes:
	@scripts/setup build
	@cargo build --workspace --bin portolan
	@ENVOY_BIN=$$(target/debug/portolan dp install-envoy) PORTOLAN_FUZZ_REQUESTS=$(or $(REQUESTS),200000) \
	  PORTOLAN_FUZZ_SEED=$(or $(SEED),$$RANDOM) PORTOLAN_FUZZ_REPLAY=$(REPLAY) \
	  cargo test --quiet --workspace --test gateway fuzz_routes -- --nocapture
