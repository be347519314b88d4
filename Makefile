# `make demo` on a machine with nothing but Python 3.11+ and make: everything else is installed into .venv, once.
# Versions come from constraints.txt. A PyTorch of the pinned version already in .venv (a CPU-only build, say) is kept.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH ?= $(shell sed -n 's/^torch==//p' constraints.txt)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-browser test-oldest attack docs check lint format types contracts \
	dist release constraints clean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

install: $(READY)  ## the package and its development tools, into .venv

demo: $(READY)  ## a first look: fit and draw, into demo/
	$(BIN)/gmvae demo --out demo

test: $(READY)  ## all tests but the slow ones
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-slow: $(READY)  ## the slow tests alone: minutes
	$(BIN)/python -m pytest -n auto --dist loadgroup -m slow

# Playwright drives the system's Chromium (in CHROMIUM, or the package chromium); its own cannot be had everywhere.
test-browser: $(READY)  ## the page of a report in Chromium; skipped where none is installed
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest tests/test_report_in_browser.py

# AnnData is tested here, after the rest: it cannot have the pandas of constraints.txt yet, and what it brings along keeps
# the oldest scikit-learn from importing its estimator checks. Old libraries say of themselves that they are deprecated,
# and Polars of every fork that it is there.
INSTALL_OLDEST = build/oldest/bin/python -m pip install --disable-pip-version-check -c build/oldest.txt
TEST_OLDEST = build/oldest/bin/python -m pytest -n auto --dist loadgroup -W ignore::DeprecationWarning \
	-W 'ignore:Using fork:RuntimeWarning'
test-oldest:  ## the tests with the oldest versions that pyproject.toml allows, in a venv of its own
	$(PYTHON) -m venv --clear build/oldest
	sed -n 's/^    "\([a-z0-9-]*\)>=\([0-9.]*\)".*/\1==\2/p' pyproject.toml > build/oldest.txt
	$(INSTALL_OLDEST) torch
	$(INSTALL_OLDEST) -e '.[test]'
	$(TEST_OLDEST)
	$(INSTALL_OLDEST) -e '.[test,anndata]'
	$(TEST_OLDEST) tests/test_anndata.py

attack: $(READY)  ## every attack of docs/reliability.md in full, with counts: an hour or more
	$(BIN)/python -m pytest -n auto -m 'slow or not slow' tests/attacks --tally docs/reliability.json

# Warnings are errors, links within the site are held, and every script of the gallery is run: with one thread, as several
# wait for one another where cores are shared.
docs: $(READY)  ## the site, into build/docs: a few minutes
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[docs]'
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

check: lint types contracts  ## style, types and import contracts

lint: $(READY)  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## put style and formatting right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## types
	$(BIN)/mypy

contracts: $(READY)  ## who may import whom
	$(BIN)/lint-imports --no-logo

# As users get it: both are looked at, and the wheel is installed into an empty environment and tried out there.
dist: $(READY)  ## source distribution and wheel, into dist/, checked
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[release]'
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear build/release
	build/release/bin/python -m pip install --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build/release && bin/gmvae --version && bin/gmvae demo --out demo
	ls -l dist

# Entries under [Unreleased] would be missing from the tag: they are moved under the version first.
release:  ## the same, and the words of the tag: what the changelog says of the version
	@awk '/^## /{found = /\[Unreleased\]/; next} found && NF {exit 1}' CHANGELOG.md || { \
		echo "[Unreleased] in CHANGELOG.md must be empty: move its entries to the section [$(VERSION)]." >&2; exit 1; }
	@mkdir -p build
	@awk -v name="[$(VERSION)]" '/^## /{found = index($$0, name)} found' CHANGELOG.md > build/notes.md
	@test -s build/notes.md && grep -qx "version: $(VERSION)" CITATION.cff || { \
		echo "CHANGELOG.md must have a section [$(VERSION)], and CITATION.cff the version." >&2; exit 1; }
	@$(MAKE) --no-print-directory dist
	@cat build/notes.md
	@printf '\nNext:\n  git tag -a v%s --cleanup=whitespace -F build/notes.md\n  %s/python -m twine upload dist/*\n' \
		"$(VERSION)" "$(BIN)"

# From a venv of its own, so that nothing installed by hand gets in; a new PyTorch by `make constraints TORCH=…`.
constraints:  ## pin the newest versions in constraints.txt
	$(PYTHON) -m venv --clear build/constraints
	build/constraints/bin/python -m pip install torch==$(TORCH)
	build/constraints/bin/python -m pip install '.[dev,browser,docs,release]'
	head -n 1 constraints.txt > build/constraints.txt
	build/constraints/bin/python -m pip freeze --exclude gmvae --exclude setuptools \
		| sed 's/^\(torch==[^+]*\)+.*/\1/' >> build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:  ## remove what make made, .venv too
	rm -rf $(VENV) build dist demo docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "gmvae needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo 'not there')." \
			"Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module. Install it (Debian and Ubuntu: the package python3-venv) and run make again." >&2; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt torch==$(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
