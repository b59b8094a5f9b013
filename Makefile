# Each target calls one Python entry point; without make, run its line by hand.

VENV := .venv

# Only this machine can open the app; ADDRESS=0.0.0.0 opens it to the network.
ADDRESS ?= 127.0.0.1
PORT ?= 8501

# A Python that starts, is 3.11 or newer and can make a virtual environment; the
# machine's own python3 first. Choose another with: make run PYTHON=/path/to/python
SUITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if "$$p" -c '$(SUITS)' >/dev/null 2>&1; then echo "$$p"; break; fi; done)

RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
APP := $(VENV)/installed-app
DEV := $(VENV)/installed-dev

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: help run seed demo install test check fix resolve browser shots bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

run: seed ## install, seed the database if there is none, open the app on port 8501
	$(RUN) -m streamlit run streamlit_app.py --server.address $(ADDRESS) --server.port $(PORT)

seed: $(APP) ## make the database with its demo data; does nothing when there is one
	$(RUN) -m hitl seed

demo: $(APP) ## the whole loop in the terminal: score, review, retrain, compare
	$(RUN) -m hitl demo

install: $(DEV) ## install everything, tools for tests and checks included

# A file's tests stay together and in order, so what they share is made once. Browser tests follow
# by themselves: a key that is pressed on a busy machine may come before the page is drawn.
test: $(DEV) ## all tests, with branch coverage; browser tests when a Chromium is found
	$(RUN) -m pytest -m "not browser" --numprocesses auto --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder --cov --cov-report= --cov-fail-under=0
	$(RUN) -m pytest -m browser --cov --cov-append tests

check: $(DEV) ## format, lint, types, architecture, spelling, then all tests
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell
	$(MAKE) test

fix: $(DEV) ## repair what ruff can repair
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

resolve: $(DEV) ## try requirements.txt on Python 3.11, 3.12 and 3.13; installs nothing
	HITL_REQUIRE_INDEX=1 $(RUN) -m pytest tests/test_requirements.py -k resolves -v

browser: ## install Debian's Chromium, for the browser tests
	@set -e; sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo; set -x; \
	$$sudo apt-get update; $$sudo apt-get install --yes --no-install-recommends chromium

shots: $(DEV) ## take the README's pictures again, one a page
	$(RUN) -m tests.shots

bench: $(DEV) ## measure against what one would use instead; prints a table
	$(RUN) -m benchmarks

clean: ## remove the virtual environment and all caches; data stay
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# pip is the last thing a new environment gets, so its presence says the environment is whole.
$(VENV)/bin/pip:
	@"$(PYTHON)" -c '$(SUITS)' 2>/dev/null || { \
	echo "Second Look needs Python 3.11 or newer with its venv module; found: $(or $(PYTHON),none)." >&2; \
	echo "On Debian: apt-get install python3 python3-venv. Elsewhere: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(APP): requirements.txt | $(VENV)/bin/pip
	@echo "Installing requirements.txt into $(VENV): a few minutes the first time."
	$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements.txt requirements-postgres.txt requirements-dev.txt | $(VENV)/bin/pip
	@echo "Installing requirements-dev.txt into $(VENV): a few minutes the first time."
	$(PIP) -r requirements-dev.txt
	@touch $(APP) $@
