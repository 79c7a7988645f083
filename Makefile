# One command a job; `make` alone lists them. Everything runs in .venv, which is made on first use.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
LANG_TO ?= de
BIN := .venv/bin

# Compiled Python files make every later start faster; some environments switch them off.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-integration server check format bench bench-serving reproduce-cl2cm reproduce-video constraints clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: .venv/installed ## train, install, serve, import, search (LANG_TO=fr for another language)
	$(BIN)/cl2cm demo --target $(LANG_TO)

test: test-unit test-integration ## all tests, with a real Weaviate server

test-unit: .venv/installed ## unit tests: seconds to a few minutes
	$(BIN)/python -m pytest tests --numprocesses 2 --dist loadfile

test-integration: server ## tests with the real parts: server, models, processes
	$(BIN)/python -m pytest integration_tests

server: .venv/installed ## find, download or build the Weaviate server, for the tests
	$(BIN)/python -c 'from cl2cm_plugin.collections.server_binary import server_binary; print(server_binary())'

check: .venv/installed ## formatting, lint, types, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/installed ## what training costs, printed as ratios against its alternatives
	for name in allocator training; do $(BIN)/python "benchmarks/$$name.py"; done

MODEL ?= cl2cm-de
bench-serving: build/exported/$(MODEL) ## what serving costs (MODEL=name: an installed model, by default the demo's)
	$(BIN)/python benchmarks/serving.py $(MODEL) $<

build/exported/%: | .venv/installed
	$(BIN)/cl2cm export $* $@ --data openmoji

DATA ?= ../shared/data/multi30k-flickr8k
reproduce-cl2cm: .venv/installed ## make the runs that are missing, and the tables (QUICK=1: the headline, one seed)
	$(BIN)/cl2cm reproduce --plan cl2cm --data $(DATA) $(if $(QUICK),--quick)

CLIPS ?= build/clips
reproduce-video: .venv/installed ## the same for video: clips of 1,000 of the photographs
	$(BIN)/cl2cm clips --from $(DATA) --out $(CLIPS) --splits train val-6lang --languages en de fr cs pt --limit 500
	$(BIN)/cl2cm reproduce --plan video --data $(CLIPS)

constraints: .venv/installed ## write the versions in use to constraints.txt
	{ echo "# Versions that go together: names and versions only."; \
	  $(BIN)/uv pip freeze --exclude-editable --python $(BIN)/python | grep -vE '^(pip|uv)=='; } > constraints.txt

clean: ## remove what was made here (.venv, build); caches in the home folder stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || { $(BIN)/python -m ensurepip --default-pip >/dev/null; $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[demo,export,openvino,tune]' --group dev
	touch $@
