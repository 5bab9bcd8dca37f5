# make stocks   train the stock price recipe on the real S&P 500 that comes along, and report (about two minutes)
# make test     run every test
# Both make a virtual environment in .venv first, once.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help install stocks test results

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or newer is needed. Received: " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

install: $(VENV)/installed

stocks: install
	$(BIN)/python recipes/stock_prices.py

test: install
	$(BIN)/python -m pytest

# README's table of results, from the files in results/
results: install
	$(BIN)/python recipes/results.py
