# make stocks          train the stock price recipe on the built-in prices of the S&P 500, and report (about two minutes)
# make demo            translate, judge, caption, forecast and write with networks that come along (a minute)
# make app             serve a page to try trained networks in the browser, until Ctrl-C
# make test            run the tests on TensorFlow, without whole trainings
# make test-all        run every test on TensorFlow
# make test-backends   run the tests on JAX and on PyTorch
# make lint            check layout and style of the code with ruff
# make book            build the book in build/book/ from its stored outputs
# make book-run        execute the book's pages again, and store their outputs (minutes)
# make results         put the tables of results/ into README.md and docs/, and draw its figures
# Each makes a virtual environment first, once: .venv, and .venv-backends for test-backends.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
BACKENDS = $(VENV)-backends
LAYER_TESTS = test_backends.py test_torch_weights.py test_attention.py::test_against_numpy
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help python install stocks demo app test test-all test-backends lint book book-run results

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Python 3.11 or newer is needed. Received: " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'

$(VENV)/installed: setup.cfg pyproject.toml | python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(BACKENDS)/installed: tests/backends.txt | python
	$(PYTHON) -m venv $(BACKENDS)
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/backends.txt
	@touch $@

$(BACKENDS)/installed-recipes: setup.cfg pyproject.toml $(BACKENDS)/installed
	$(BACKENDS)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

install: $(VENV)/installed

$(VENV)/installed-book: setup.cfg $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[book]'
	@touch $@

$(VENV)/installed-app: setup.cfg $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[app]'
	@touch $@

stocks: install
	$(BIN)/python recipes/stock_prices.py

# The networks in published/ at work; each command can be repeated with other inputs.
demo: install
	$(BIN)/python recipes/translation.py predict --run published/translation.de-en.attention \
	  "Zwei Kinder spielen mit einem kleinen Hund am Strand."
	$(BIN)/python recipes/imdb_sentiment.py predict --run published/imdb_sentiment.quick \
	  "The first half is slow and far too long. Then the film finds its feet: the cast is wonderful, and I loved the end."
	$(BIN)/python recipes/image_captioning.py predict --run published/image_captioning.same-vector \
	  published/pictures/surfer.jpg
	$(BIN)/python recipes/stock_prices.py predict --run published/stock_prices.volatility --horizon 5
	$(BIN)/python recipes/next_character.py sample --run published/next_character.coupled-lstm --length 200 \
	  'The girl says: "'

app: $(VENV)/installed-app
	$(BIN)/python -m app

test: install
	$(BIN)/python -m pytest -m 'not slow'

test-all: install
	$(BIN)/python -m pytest

# The layers are tested where there is no TensorFlow; the recipes need it, for their input pipelines.
# JAX spends most of its time on compiling, half of that on optimizations that make no difference to these tests.
test-backends: $(BACKENDS)/installed
	for backend in torch jax; do \
	  KERAS_BACKEND=$$backend JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
	    $(BACKENDS)/bin/python -m pytest --noconftest $(addprefix tests/layers/,$(LAYER_TESTS)) || exit 1; \
	done
	$(MAKE) $(BACKENDS)/installed-recipes
	$(BACKENDS)/bin/python -m pytest --numprocesses 0 tests/recipes/on_each_backend.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

book: $(VENV)/installed-book
	$(BIN)/python docs/book.py build

book-run: $(VENV)/installed-book
	$(BIN)/python docs/book.py run

results: install
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/figures.py
