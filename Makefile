# What a person types. Each target does the set-up it needs; `make help` lists them.
PROFILE ?= quick
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# What the experiments use; whatever is missing is named by `labkit doctor` and in every result.
PACKAGES := runc crun runsc mmdebstrap busybox-static libseccomp2 bubblewrap
INSTALLED := .setup/python

.PHONY: help setup system reproduce test lab site bench lint clean
.DEFAULT_GOAL := help

help:
	@echo "make reproduce   set everything up, measure, and render the site (PROFILE=quick or full)"
	@echo "make test        set everything up and run every test (as root, the kernel tests too)"
	@echo "make lab         open the notebooks in JupyterLab"
	@echo "make site        render the site again from what was measured"
	@echo "make bench       time the engine against runc, crun and bubblewrap"
	@echo "make lint        ruff, mypy and import-linter"

reproduce: setup
	$(BIN)/labkit reproduce --profile $(PROFILE)

test: setup
	$(BIN)/python -m pytest -q

lab: setup
	$(BIN)/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

site: setup
	$(BIN)/labkit site

bench: setup
	$(BIN)/labkit bench

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: system $(INSTALLED)

# Only what is missing is asked for, so that a second time costs a few milliseconds.
system:
	@sh .setup.sh $(PACKAGES)

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "labkit needs Python 3.11 or newer: sudo apt-get install python3 python3-venv"; exit 1; }
	@mkdir -p .setup
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh .setup.sh python3-venv
	@echo "Installing the Python packages into .venv; this takes a minute or two" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# Newer pips make leaner command scripts, which start in less time.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .setup docs/_build
