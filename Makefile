# `make demo` and `make test` do all of their own set-up. Everything else is for those who work on Icefield.
BIN := .venv/bin
.DEFAULT_GOAL := help
# The layers that share one whole cluster; the others each have a control plane of their own, several at a time.
WHOLE := e2e or conformance or chaos
.PHONY: help venv demo test lint format bench up down dev lock

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

venv: ## Make .venv from the lock
	@cluster/bootstrap.sh

demo: venv ## Get a cluster, install Icefield, and watch a pipeline over real data
	@$(BIN)/icefield demo

test: lint ## Everything: lint, unit, api, integration, e2e, conformance, chaos
	@$(BIN)/python -m pytest -n 3 --dist loadfile -m "not ($(WHOLE))"
	@$(BIN)/python -m pytest -m "$(WHOLE)"

lint: venv ## Style, types, walls between the rooms, locks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache
	@rendered=$$(mktemp -d) && $(BIN)/python -m icefield_crds "$$rendered" && for file in "$$rendered"/*; do \
	    diff -u "crds/$${file##*/}" "$$file" || { echo "run $(BIN)/python -m icefield_crds"; exit 1; }; done; rm -r "$$rendered"
	@cluster/bootstrap.sh check-locks

format: venv ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: up ## Run the benchmarks against the running cluster; each prints one table
	@eval "$$($(BIN)/icefield env)" && for file in $$(grep -l __main__ benchmarks/*.py); do \
	    $(CURDIR)/$(BIN)/python -m "benchmarks.$$(basename "$$file" .py)" || exit 1; done

up: venv ## Get a cluster and install Icefield
	@$(BIN)/icefield up

down: venv ## Take the cluster away
	@$(BIN)/icefield down

dev: venv ## Run operator and API server from the checkout against the running cluster, with reload
	@$(BIN)/icefield dev

lock: ## Write the locks in requirements/ anew
	@cluster/bootstrap.sh lock
