# The two commands are `make demo` and `make test`. Both set everything up in .venv first; a second call installs nothing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := runs/demo
TORCH_2_7 := .venv-torch-2.7

.DEFAULT_GOAL := help
.PHONY: help setup demo notebook test test-slow test-image test-torch-2.7 format lint types check bench lock clean

help:  ## what there is
	@grep -E '^[a-z0-9.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / - /'

setup: $(STAMP)  ## create .venv from the lock file

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aisle needs Python >= 3.11; this is " + sys.version.split()[0] + " (try make PYTHON=python3.11 setup)")'
	@echo "setting up .venv from requirements.lock (about a minute, once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## simulate a shop, train four models, print the leaderboard and recommendations (about 2 minutes)
	@AISLE=$(BIN)/aisle OUT=$(DEMO) sh demo/run.sh

notebook: $(STAMP)  ## run notebooks/baseline.ipynb and keep it with its outputs in runs/notebook (about 2 minutes)
	@mkdir -p runs/notebook
	$(BIN)/jupyter-execute notebooks/baseline.ipynb --output ../runs/notebook/baseline.ipynb

test: $(STAMP)  ## the unit tests
	$(BIN)/python -m pytest

test-slow: $(STAMP)  ## the longer tests: public logs, kill -9, scale, the notebook
	$(BIN)/python -m pytest -m slow

test-torch-2.7: $(TORCH_2_7)/.installed  ## the unit tests on the oldest torch that aisle supports, in an environment of its own (7 GB)
	$(TORCH_2_7)/bin/python -m pytest

# The lock with another torch. Three equals signs: the build of the package index, which is for CUDA, and no 2.7.1+cpu from elsewhere.
$(TORCH_2_7)/.installed: requirements.lock pyproject.toml
	@echo "setting up $(TORCH_2_7) (several GB to download, once)"
	@$(PYTHON) -m venv $(TORCH_2_7)
	@sed 's/^torch==.*/torch===2.7.1/' requirements.lock > $(TORCH_2_7)/requirements.lock
	@$(TORCH_2_7)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(TORCH_2_7)/requirements.lock
	@$(TORCH_2_7)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(TORCH_2_7)/.installed

test-image: $(STAMP)  ## build the container images for real, start them with compose, attack them (root on Debian 12, or a docker)
	ci/image/test.sh

format: $(STAMP)  ## rewrite the code in its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test test-slow  ## everything that must hold before a commit lands

bench: $(STAMP)  ## measure again what benchmarks/ claims (quiet machine, public logs, about half an hour)
	$(BIN)/python benchmarks/simulate/measure.py --events 100000000 --users 4000000 --items 200000 --repeats 1 --json benchmarks/simulate/results.json
	$(BIN)/python -m benchmarks.prepare.run --events 10e6 --repeats 5
	$(BIN)/python -m benchmarks.prepare.run --events 100e6 --repeats 1 --without-ceiling
	$(BIN)/python -m benchmarks.evaluate.run --repeats 5
	$(BIN)/python -m benchmarks.loss.run
	$(BIN)/python -m benchmarks.quality.run ncf-ml-1m

lock: $(STAMP)  ## pin what is installed now
	{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --all --exclude-editable --exclude pip | sed 's/+cpu$$//'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:  ## remove what the commands above made
	rm -rf .venv $(TORCH_2_7) runs data .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
