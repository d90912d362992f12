# Two commands for a fresh clone: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROJECTS := $(wildcard */pyproject.toml plugins/*/pyproject.toml plugins/examples/*/pyproject.toml)

.PHONY: help install demo test lint docs bench matrix results clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## a virtual environment with every package, editable

# Build tools first, so that the editable packages need no isolated build environment each.
$(STAMP): requirements-dev.txt constraints.txt $(PROJECTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "hatchling>=1.21" "editables>=0.5"
	$(BIN)/pip install --quiet --no-build-isolation -c constraints.txt -r requirements-dev.txt
	@touch $@

demo: install  ## train SPaCQL on Cooperative Navigation at a tenth of the published budget
	$(BIN)/python scripts/demo.py

test: lint  ## everything CI runs: lint, types, tests
	$(BIN)/python -m pytest -n 2

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install  ## write the reference from the code and build the site into site/, strictly
	$(BIN)/python scripts/reference.py --write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

bench: install  ## what an update, an environment step, opening a dataset and `zoo list` cost
	$(BIN)/python bench/run.py --write

matrix: install  ## every algorithm on every environment it goes with, 20 iterations each
	ZOO_FULL_MATRIX=1 $(BIN)/python -m pytest -n 2 tests/test_capability_matrix.py

results: install  ## run the next unfinished cells of the results ledger, then rewrite docs/results.md
	$(BIN)/python scripts/ledger.py run
	$(BIN)/python scripts/ledger.py report

clean:  ## remove the virtual environment and caches (never runs, data or results)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
