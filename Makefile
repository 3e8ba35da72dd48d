# `make demo` and `make test` do all of their own set-up. Everything else is for developers of Icefield.
BIN := .venv/bin
.DEFAULT_GOAL := help
# Tests start hundreds of Python processes; each would compile our own modules again.
unexport PYTHONDONTWRITEBYTECODE
WORKERS := 3
LINTS := style types imports rendered locks
.PHONY: help venv demo test check lint $(LINTS) unit format bench up down dev lock

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: ## Make .venv from the lock
	@cluster/bootstrap.sh

demo: venv ## Create a cluster, install Icefield, and run a pipeline over real data
	@$(BIN)/icefield demo

test: lint ## Everything: lint, unit, api, integration, e2e, conformance, chaos
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

check: venv ## Lint, types and unit tests, beside each other: two minutes
	@$(MAKE) --no-print-directory --jobs --output-sync=target $(LINTS) unit

lint: venv ## Style, types, import contracts, rendered YAML, locks
	@$(MAKE) --no-print-directory --jobs --output-sync=target $(LINTS)

style:
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types:
	@$(BIN)/mypy --no-error-summary

imports:
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

rendered:
	@rendered=$$(mktemp -d) && $(BIN)/python -m icefield_crds "$$rendered" && for file in $$(cd "$$rendered" && find . -type f); do \
	    diff -u "$$file" "$$rendered/$$file" || { echo "run $(BIN)/python -m icefield_crds"; exit 1; }; done; rm -r "$$rendered"

locks:
	@cluster/bootstrap.sh check-locks

unit:
	@$(BIN)/python -m pytest -q -n 2 tests/unit

format: venv ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: up ## Run the benchmarks against the running cluster; each prints one table
	@eval "$$($(BIN)/icefield env)" && for file in $$(grep -l __main__ benchmarks/*.py); do \
	    $(CURDIR)/$(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" || exit 1; done

up: venv ## Create a cluster and install Icefield
	@$(BIN)/icefield up

down: venv ## Delete the cluster
	@$(BIN)/icefield down

dev: venv ## Run operator and API server from the checkout against the running cluster, with reload
	@$(BIN)/icefield dev

lock: ## Resolve the requirements again and write the locks in requirements/
	@cluster/bootstrap.sh lock
