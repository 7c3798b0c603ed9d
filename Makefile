# The only entry points of this repository; CI calls the same ones. `make help` lists them.
# It knows which script does what; how it is done is in scripts/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev deploy-check run test check fuzz test-rust test-js test-py test-conformance test-web fmt services bench guard load bench-web pictures

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build and start the product with a living demo on 127.0.0.1:8080 (Ctrl-C stops it)
	@scripts/run

test: ## Run every test: Rust, documentation examples, both SDKs, websocket conformance, the web app in a browser
	@scripts/test

check: ## Check format, lints, documentation, licences, arrows and host names
	@scripts/check

test-rust: ## Run the Rust tests only (arguments: ARGS="…" for the runner)
	@scripts/test rust -- $(ARGS)

test-js: ## Run the JavaScript SDK suite only
	@scripts/test js

test-py: ## Run the Python SDK suite only
	@scripts/test py

test-conformance: ## Run the websocket conformance cases only
	@scripts/test conformance

deploy-check: ## Check what deploys it: Compose, image, Nginx, alerts, backup, Terraform (arguments: ARGS="-k nginx")
	@scripts/check-deploy $(ARGS)

dev: ## Serve while you edit: rebuild and restart on every change (settings as for `make run`)
	@scripts/dev

test-web: ## Run the browser tests of the web app only
	@scripts/test web

pictures: ## Make the README's pictures anew, by the browser tests
	@FLASH_TEST_PICTURES=$(CURDIR)/docs/images scripts/test web

fuzz: ## Fuzz frames, commands and bodies from a fresh seed (INPUTS=200000 per target; SEED=… repeats a run)
	@FLASH_FUZZ_INPUTS=$(or $(INPUTS),200000) FLASH_FUZZ_SEED=$(or $(SEED),$$(date +%s)) \
	  scripts/test rust -- -E 'binary(fuzz)' --no-capture

fmt: ## Format the Rust sources
	cargo fmt --all

services: ## Open a shell with a private PostgreSQL and Redis (FLASH_TEST_* are set in it)
	@scripts/with-services "$${SHELL:-bash}"

bench: ## Measure the server against its limits, side by side (arguments: ARGS="--only claims")
	@scripts/bench $(ARGS)

guard: ## Count the instructions of the hot paths and compare them with the record (after make test or make bench)
	@scripts/guard $(ARGS)

load: ## Throw a scenario at a server and judge it (arguments: ARGS="city --html target/city.html")
	@scripts/load $(ARGS)

bench-web: ## Measure the web app with 500 deals of ten updates a second (DEALS, PER_SECOND, SECONDS)
	@scripts/bench-web
