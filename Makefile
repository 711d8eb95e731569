# Needs python3 (3.11 or newer) with pip and venv; everything else is put into .venv here.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs clean

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/.installed    ## cohort, train, score, explain, one HTML page; prints its path
	$(BIN)/medley demo --out demo

# one thread a worker: two that each spin on all cores wait for each other, and take three times as long
test: .venv/.installed    ## the whole suite, offline, on the CPU
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile tests

lint: .venv/.installed    ## style, types at the public edges, layers, docs that name what is there
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.installed    ## the reference of the command line, written from its own help
	$(BIN)/python -m medley.cli.reference docs/commands.md

clean:
	rm -rf .venv demo runs build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
