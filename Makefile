# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# What Python compiles is kept: the tests start some hundred processes, which else compile everything anew each time.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1

.PHONY: demo test web lint types floors unit postgresql peer browser format clean

$(READY): pyproject.toml uv.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv sync --quiet --locked --inexact
	touch $(READY)

demo: $(READY) web
	$(BIN)/overt demo

test: web lint types floors unit

# Builds the pages of web/ with the Node of the development group; nothing to do if their sources are unchanged.
web: $(READY)
	$(BIN)/python hatch_build.py

lint: $(READY)
	$(BIN)/ruff check src tests bench hatch_build.py
	$(BIN)/ruff format --check src tests bench hatch_build.py

types: $(READY)
	$(BIN)/mypy
	$(BIN)/python hatch_build.py types

floors: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/pytest -n auto --dist worksteal -m "not peer and not browser"
	$(BIN)/python hatch_build.py test

# The control room's tests once more, on PostgreSQL (from PyPI); `make test` runs them on SQLite.
postgresql: $(READY)
	$(BIN)/python tests/rigs/with_postgresql.py $(BIN)/pytest -n auto --dist worksteal -m "not peer and not browser" tests/control

peer: $(READY)
	$(BIN)/pytest -n auto -m peer

# The page in Debian's Chromium and Firefox, which must be installed (apt-get install chromium firefox-esr).
browser: $(READY) web
	$(BIN)/uv sync --quiet --locked --inexact --group browser
	$(BIN)/python hatch_build.py packages
	$(BIN)/pytest -n 2 -m browser

format: $(READY)
	$(BIN)/ruff check --fix-only src tests bench hatch_build.py
	$(BIN)/ruff format src tests bench hatch_build.py

clean:
	rm -rf web/node_modules web/.building src/overt/recorder/media_plane/static src/overt/control/static
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
