# Every target sets up what it needs: a virtual environment in .venv with the pinned, tested set.
PYTHON ?= python3
BIN := .venv/bin
PIP_FIND_LINKS ?=
UV_LINKS := $(foreach l,$(PIP_FIND_LINKS),--find-links $(l))

# Python is started dozens of times, and imports torch: byte code is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

# A file's tests go to one process, so that what they share is made once.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PYTEST := $(BIN)/python -m pytest -n $(CORES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder
ROOM ?=

.PHONY: demo test quick check lint types format docs clean

demo: .venv/ready            ## the whole job on the shipped sample, offline once installed
	$(BIN)/mmad-rag demo

test: .venv/ready $(if $(filter-out serve serve/%,$(ROOM)),,.venv/servers/ready)  ## every test, with branch coverage; ROOM=retrieve: those of tests/retrieve
	$(PYTEST) $(if $(ROOM),tests/$(ROOM),--durations=25 --cov --cov-report=term --cov-fail-under=95)

quick: .venv/ready           ## the core of every room, without what is slow or needs much
	$(PYTEST) --quick -rfE

check: lint types test       ## all that CI runs

lint: .venv/ready            ## formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready           ## strict types of package and tests
	$(BIN)/mypy

format: .venv/ready          ## write the formatting
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/ready            ## write docs/API.md and docs/CLI.md from the code; a test holds that they are current
	$(BIN)/python scripts/write_docs.py

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(UV_LINKS) --constraint constraints.txt --editable . --group dev
	touch $@

.venv/servers/ready: tests/servers.txt | .venv/ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/servers
	$(BIN)/uv pip install --quiet --python .venv/servers/bin/python $(UV_LINKS) --no-deps --requirement tests/servers.txt
	touch $@

clean:                       ## remove what the targets made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .coverage
