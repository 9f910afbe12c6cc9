# Everything starts here; `make help` lists it. Nothing needs to be installed but Python >= 3.11 and make.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint lock bench docs clean

PACKAGES := domain simulators ingest store kpi alerts service
CHECKED := $(PACKAGES) tests $(if $(wildcard benchmarks/*.py),benchmarks)

export PYTHON

# Each process of the tests has servers of its own; tests of one file stay together, for they share what they begin with.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# For `make demo ARGS=--reset` and `make test ARGS='-k register'`.
ARGS ?=

help:  ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 14

demo:  ## run a simulated park with everything it needs; ARGS=--reset starts anew
	@.ci/venv demo
	@exec .venv/bin/kawasan demo $(ARGS)

test:  ## run all tests against real servers; ARGS goes to pytest, as -n0 for one after the other
	@.ci/venv dev
	@.venv/bin/python -m tests.support.prepare
	@exec .venv/bin/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

lint:  ## check format, style, types and the direction of imports
	@.ci/venv dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(addprefix -p ,$(CHECKED))
	.venv/bin/lint-imports

lock:  ## choose versions anew within pyproject.toml; ARGS=--upgrade takes the newest
	@.ci/venv dev
	@.ci/lock $(ARGS)

bench:  ## measure this machine: how fast readings are stored, and how soon the demo is up
	@.ci/venv dev
	@.venv/bin/python -m tests.support.prepare
	@set -e; for file in benchmarks/bench_*.py; do .venv/bin/python -m "benchmarks.$$(basename "$$file" .py)" $(ARGS); done

docs:  ## write what is made from the code: docs/reference/kpis.md, docs/schemas, docs/openapi.json
	@.ci/venv dev
	.venv/bin/python -c 'from kpi.describe import catalogue_page; print(catalogue_page(), end="")' > docs/reference/kpis.md.new
	mv docs/reference/kpis.md.new docs/reference/kpis.md
	.venv/bin/python -m tests.support.schemas

clean:  ## remove .venv, caches and build leftovers; data of the demo stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
