# `make run` shows the whole system; `make test` and `make check` are what CI runs.
# Each target makes .venv and installs what it needs, once.

PYTHON ?= python3.11
ENVIRONMENT ?= development
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
export ENVIRONMENT

.DEFAULT_GOAL := help
.PHONY: help run test browser check bugs bench constraints clean

help:
	@echo "make run     start everything on this machine (PORT=8000), stay until Ctrl-C"
	@echo "make test    run the tests; DATABASE_URL and REDIS_URL choose the servers, TESTS the folder"
	@echo "make browser run the tests that drive a Chromium"
	@echo "make check   style, types, import contracts, migrations, deployment settings"
	@echo "make bugs    plant bugs one by one and show that a test catches each"
	@echo "make bench   print what it can do on this machine"
	@echo "make clean   remove what was installed and generated; the data in var/ stays"

run: $(VENV)/run.stamp
	@$(BIN)/python manage.py up $(UP)

test: $(VENV)/dev.stamp
	@$(BIN)/pytest -n $(WORKERS) -m "not browser" $(TESTS)

browser: $(VENV)/e2e.stamp
	@$(BIN)/pytest -m browser $(TESTS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	@env $$($(BIN)/python deploy/production_environment.py shop.test) \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/pytest -q tests/test_configuration.py

bugs: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.planted_bugs

bench: $(VENV)/dev.stamp
	@$(BIN)/python -m benchmarks $(BENCH)

constraints:
	@rm -rf var/constraints && $(PYTHON) -m venv var/constraints
	@: > constraints.txt
	@var/constraints/bin/pip install --quiet -r requirements-e2e.txt
	@{ echo "# Every package at the version that was tested, direct or brought along."; \
	  echo "# Made by \`make constraints\` in a fresh environment; do not edit."; \
	  var/constraints/bin/pip freeze; } > constraints.txt
	@rm -rf var/constraints

clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov
	@rm -rf .coverage var/static var/log
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "The data in var/ was kept; remove that folder to start afresh."

# A later stamp covers the earlier ones, since each requirements file includes the one before.
$(VENV)/run.stamp: requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing what the system needs (about half a minute, once) ..."
	@$(PIP) install --prefer-binary -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing what the tests need (once) ..."
	@$(PIP) install --prefer-binary -r requirements-dev.txt
	@touch $(VENV)/run.stamp $@

$(VENV)/e2e.stamp: requirements-e2e.txt requirements-dev.txt requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing what the browser tests need (once) ..."
	@$(PIP) install --prefer-binary -r requirements-e2e.txt
	@touch $(VENV)/run.stamp $(VENV)/dev.stamp $@

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.12 python3.13; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && exit 0; \
	    echo "$$python cannot make a virtual environment; on Debian: apt install python3-venv" >&2; \
	    rm -rf $(VENV); exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed; say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1
