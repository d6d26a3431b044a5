# Two commands to begin with: `make lab` opens the course, `make test` proves it.
# Every target installs what it needs into .venv first; the second time that does nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
LECTURES := $(sort $(wildcard lectures/*.ipynb))

# nbgrader calls `alembic`, and Jupyter its kernels, through PATH.
export PATH := $(BIN):$(PATH)

.PHONY: help install lab test check demo browser classroom gate seeds bench slides site

help:
	@echo "make lab     open JupyterLab on the first lecture"
	@echo "make test    run every test and every notebook"
	@echo "make demo    an instructor's day: release, collect, autograde, feedback, grades"
	@echo "make browser a newcomer's and an instructor's path, and every interactive figure, in a real browser"
	@echo "make classroom  a teacher and two students on a hub of this machine, by command line and in a browser; as root"
	@echo "make gate    every exercise against wrong and right answers"
	@echo "make seeds   every right answer with a hundred seeds: does one lose points?"
	@echo "make bench   measure against the other libraries"
	@echo "make slides  every lecture as slides that need no network, into site/slides"
	@echo "make site    lectures, slides, assignments, guides and reference as pages that need no network, into site"
	@echo "make check   lint and types only"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys' 2>/dev/null \
		|| { echo "No '$(PYTHON)' here. Install Python 3.11 or newer, or name yours: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "The course needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --retries 2 --constraint constraints.txt --editable '.[dev]' \
		|| { echo "The installation stopped (pip says why above). Without a network it cannot begin; with one, run make again: it goes on where it stopped." >&2; exit 1; }
	@touch $@

# Jupyter refuses to run as root, in a container for instance, unless it is told that this is meant.
lab: install
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) $(firstword $(LECTURES))

# Tensors are small here: more threads only wait for each other on a busy machine.
test demo browser classroom gate seeds bench: export OMP_NUM_THREADS ?= 1

# The notebooks run in warm kernels, which have torch imported (on Linux; elsewhere these are ordinary ones), two at a time.
# They have no use for Hypothesis, which takes each of pytest's processes a second to load.
test: check
	$(BIN)/python -m pytest
	JUPYTER_DEFAULT_PROVISIONER_NAME=coursekit-warm $(BIN)/python -m pytest -p no:hypothesispytest -p tests.notebooks.warm -p tests.notebooks.cards -n 2 --dist loadfile --nbval-lax --nbval-cell-timeout=180 lectures solutions

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

demo: install
	$(BIN)/coursekit demo

# What is missing, apt brings where root asks; only that, since npm may be here from elsewhere and then apt's own would not go in.
# Debian's Chromium needs a font that has ✓ and ×.
CHROMIUM := { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
NPM := command -v npm >/dev/null
apt = { [ "$$(id -u)" = 0 ] && apt-get update && apt-get install -y $(1); } >/dev/null 2>&1 || true

browser: install
	@$(CHROMIUM) || $(call apt,chromium fonts-dejavu-core)
	@$(CHROMIUM) || { echo "No Chromium or Chrome on PATH. On Debian: apt install chromium fonts-dejavu-core" >&2; exit 1; }
	$(BIN)/python -m pytest tests/browser

# Real users, who are removed afterwards: only root can make them.
classroom: install
	@[ "$$(id -u)" = 0 ] || { echo "A class needs root, who can make users: sudo make classroom" >&2; exit 1; }
	@$(NPM) || $(call apt,npm)
	@$(NPM) || { echo "No npm on PATH, which fetches the hub's proxy. On Debian or Ubuntu: apt install npm" >&2; exit 1; }
	@$(CHROMIUM) || $(call apt,chromium fonts-dejavu-core)
	@$(CHROMIUM) || { echo "No Chromium or Chrome on PATH. On Debian: apt install chromium fonts-dejavu-core" >&2; exit 1; }
	$(BIN)/python -m pytest -m classroom tests/classroom

# Every exercise against its mistakes, its right variants and mutants of its solution.
gate: install
	$(BIN)/python tests/exercises/gate.py

# Every right answer with a hundred seeds, which takes most of an hour.
seeds: install
	$(BIN)/python tests/exercises/seeds.py

bench: install
	$(BIN)/python -m pytest tests/bench/bench_*.py --benchmark-only --benchmark-columns=median --benchmark-sort=name -q

# Slides load reveal.js and MathJax from beside themselves; npm fetches the two once.
SLIDES := site/slides
REVEAL := reveal.js-5.2.1
MATHJAX := mathjax-3.2.2

slides: install $(SLIDES)/assets/.fetched
	$(BIN)/coursekit notebooks slides --folder $(SLIDES) $(LECTURES)

# -c docs .: Sphinx reads the whole repository, so that its pages link to each other as its files do.
site: slides
	$(BIN)/python -m sphinx -q -c docs . site
	@echo "open site/index.html"

$(SLIDES)/assets/.fetched:
	@command -v npm >/dev/null || { echo "Slides need npm, once, to fetch reveal.js and MathJax. On Debian or Ubuntu: apt install npm" >&2; exit 1; }
	@mkdir -p $(@D)/reveal $(@D)/mathjax
	@cd $(@D) && npm pack --silent $(subst -,@,$(REVEAL) $(MATHJAX)) >/dev/null
	@tar -xzf $(@D)/$(REVEAL).tgz -C $(@D)/reveal --strip-components=1 package/LICENSE package/dist package/plugin/notes
	@tar -xzf $(@D)/$(MATHJAX).tgz -C $(@D)/mathjax --strip-components=2 package/es5/tex-svg.js
	@rm $(@D)/*.tgz && touch $@
