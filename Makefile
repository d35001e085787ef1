# Every command of the project. `make` alone lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
RUN_STAMP := .venv/.installed-run
DEV_STAMP := .venv/.installed-dev
PROVIDER := tests/integration/upstream/node_modules/.package-lock.json
PYTEST := $(BIN)/python -m pytest
# On all processors. What was started for a file's tests, a profile's or a proxy's serves all of them: they stay together.
SPREAD := --numprocesses=auto --dist=loadfile
SPREAD_GROUPS := --numprocesses=auto --dist=loadgroup
CODE := src tests bench deploy tools
ARGS ?=
KILLS ?= 1000

.PHONY: help
help:  ## List the commands
	@printf 'Doorward. Usage: make COMMAND\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nPass options to a suite with ARGS, for example: make cli ARGS="-k user -x"\n'

## See it work

.PHONY: demo
demo: $(RUN_STAMP)  ## A protected app behind a real Traefik, on this machine, until Ctrl-C
	@$(BIN)/python deploy/demo/demo.py $(ARGS)

.PHONY: run
run: $(RUN_STAMP) doorward.yaml  ## Doorward alone, from doorward.yaml (a starting one is made when there is none)
	@$(BIN)/doorward serve --config doorward.yaml

doorward.yaml:
	@cp deploy/local/doorward.yaml $@
	@echo "Made doorward.yaml, a starting configuration for this machine alone. Read it; it is short."

## Tests

.PHONY: test
test: system provider  ## Everything: all checks, all suites, all real proxies; installs what it needs
	@$(MAKE) --keep-going test-static test-parts test-profiles test-whole

.PHONY: test-static test-parts test-profiles test-whole
test-static: $(DEV_STAMP)
	@$(MAKE) --jobs=2 --keep-going --output-sync=target $(STATIC)
test-parts: $(DEV_STAMP)
	$(PYTEST) $(SPREAD) tests/unit tests/property tests/contract tests/cli tests/attacks --cov --cov-report=term-missing $(ARGS)
test-profiles: $(DEV_STAMP)
	$(PYTEST) $(SPREAD_GROUPS) tests/profiles $(ARGS)
test-whole: $(DEV_STAMP)
	$(PYTEST) $(SPREAD_GROUPS) tests/integration tests/browser $(ARGS)

.PHONY: check
check: $(DEV_STAMP)  ## The quick check before a commit: format, lint, types, contracts, unit and property tests
	@$(MAKE) --jobs=2 --keep-going --output-sync=target $(STATIC) check-tests

STATIC := check-format check-lint check-mypy check-pyright check-imports check-docs
.PHONY: $(STATIC) check-tests
check-format: $(DEV_STAMP)
	@$(BIN)/ruff format --check $(CODE)
check-lint: $(DEV_STAMP)
	@$(BIN)/ruff check $(CODE)
check-mypy: $(DEV_STAMP)
	@$(BIN)/mypy
check-pyright: $(DEV_STAMP)
	@$(BIN)/basedpyright
check-imports: $(DEV_STAMP)
	@$(BIN)/lint-imports
check-docs: $(DEV_STAMP)
	@$(BIN)/python tools/docs.py --check
check-tests: $(DEV_STAMP)
	@$(PYTEST) $(SPREAD) -q tests/unit tests/property $(ARGS)

.PHONY: unit property contract cli profiles attacks integration browser
unit: $(DEV_STAMP)  ## One suite: small pieces by themselves
property: $(DEV_STAMP)  ## One suite: what must hold for every input (Hypothesis)
contract: $(DEV_STAMP)  ## One suite: every implementation of an interface keeps its promises
cli: $(DEV_STAMP)  ## One suite: the command line
profiles: $(DEV_STAMP)  ## One suite: every number of every profile, from outside
attacks: system  ## One suite: hostile input, as raw bytes
integration: system provider  ## One suite: the same scenarios through every real proxy
browser: system provider  ## One suite: Chromium through a real Traefik
unit property contract cli profiles attacks integration browser:
	$(PYTEST) tests/$@ $(ARGS)

.PHONY: fuzz
fuzz: $(DEV_STAMP)  ## The property suite with 20,000 examples each (slow)
	$(PYTEST) tests/property --hypothesis-profile=fuzz $(ARGS)

.PHONY: kill
kill: $(DEV_STAMP)  ## Kill the program at a thousand random moments, or KILLS of them (slow)
	DOORWARD_KILLS=$(KILLS) $(PYTEST) tests/attacks/test_killed.py $(ARGS)

.PHONY: system
system: $(DEV_STAMP)
	@tools/system.sh nginx haproxy chromium git curl php

# From npm, by whatever registry the machine's npm is set up for.
.PHONY: provider
provider: $(PROVIDER)
$(PROVIDER): tests/integration/upstream/package-lock.json tests/integration/upstream/node.py | $(DEV_STAMP)
	@$(BIN)/python -m tests.integration.upstream.node

## Speed

.PHONY: bench bench-quick
bench: $(DEV_STAMP)  ## Measure speed, memory and scale (about seven minutes)
	@tools/system.sh nginx wrk
	$(BIN)/python -m bench $(ARGS)

bench-quick: $(DEV_STAMP)  ## The same, shorter (under one minute)
	@tools/system.sh nginx wrk
	$(BIN)/python -m bench --quick $(ARGS)

## Upkeep

.PHONY: format
format: $(DEV_STAMP)  ## Format the code and mend what the linter can mend
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

.PHONY: docs
docs: $(DEV_STAMP)  ## Write the generated parts of docs/ anew
	$(BIN)/python tools/docs.py

.PHONY: lock
lock: $(DEV_STAMP)  ## Choose exact versions anew from pyproject.toml
	tools/lock.sh

.PHONY: clean
clean:  ## Remove everything built here; your doorward.yaml and data/ stay
	rm -rf .venv .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage build dist
	rm -rf tests/integration/upstream/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN_STAMP): requirements-run.lock pyproject.toml tools/venv.sh
	@tools/venv.sh requirements-run.lock $(RUN_STAMP)

$(DEV_STAMP): requirements.lock pyproject.toml tools/venv.sh
	@tools/venv.sh requirements.lock $(DEV_STAMP) $(RUN_STAMP)
