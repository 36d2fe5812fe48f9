# make app    set up and serve the app on 127.0.0.1:8501 with a sample open
# make test   set up and run the tests          (ARGS='-n0 tests/jobs' passes arguments to pytest)
# make check  ruff, pyright, import-linter
# make bench  the benchmarks, as JSON
# make table  the papers' orderings on the samples, measured, into docs/orderings.md (an hour; goes on where it stopped)
# make test-interop   set up each deployment tool in .venv-interop and open exported files with it; some GB, CPU only
#                     (TOOLS='nncf litert' names some; torch for CPU alone: see constraints.txt)
# make interop        set up these environments and no more (python -m benchmarks.peers runs in them too)
# make soak       try the promises for an hour (MINUTES=60), and write the table into docs/promises.md
# make lock       write requirements.lock, what the container installs, each file by its hash, and docs/licences.md
# make audit      look the lock's versions up among known vulnerabilities (asks pypi.org)
# Needs Python >= 3.11 and make. Everything lands in .venv; the second time is quick.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
MODEL ?= digits-mobilenet
ARGS ?=
MINUTES ?= 60
TOOLS ?= onnxruntime nncf aimet modelopt litert model-explorer

BIN := $(VENV)/bin
# The set-up is redone when what it installs has changed, and only then.
KEY := $(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)
APP := $(VENV)/.installed-app-$(KEY)
DEV := $(VENV)/.installed-dev-$(KEY)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: app test test-interop interop check format bench table soak lock audit clean

app: $(APP)
	$(BIN)/qdebug app $(MODEL) --port $(PORT)

test: $(DEV)
	$(BIN)/python -m pytest $(ARGS)

test-interop: $(DEV) $(TOOLS:%=.venv-interop/%/.installed)
	QDEBUG_INTEROP='$(TOOLS)' $(BIN)/python -m pytest -n0 -m interop tests/interop $(ARGS)

interop: $(TOOLS:%=.venv-interop/%/.installed)

.venv-interop/%/.installed: tests/interop/requirements-%.txt
	@echo "Installing $* into $(@D)" >&2
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)
	@$(BIN)/python -m benchmarks

table: $(DEV)
	@$(BIN)/python -m benchmarks.orderings > docs/orderings.md.new
	@mv docs/orderings.md.new docs/orderings.md

soak: $(DEV)
	$(BIN)/python -m benchmarks.promises --minutes $(MINUTES) --into docs/promises.md

# The CPU build of torch comes from the CPU index, or from a folder named in UV_FIND_LINKS.
lock: $(DEV) .venv-supply/.installed
	.venv-supply/bin/uv pip compile --quiet pyproject.toml packaging/locked.in --constraint constraints.txt \
	  --extra datasets --extra export --extra gguf --extra huggingface --extra images --extra runtimes \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header \
	  --no-emit-find-links $(if $(UV_FIND_LINKS),,--extra-index-url https://download.pytorch.org/whl/cpu) \
	  --index-strategy unsafe-best-match --output-file requirements.lock.new > /dev/null
	@{ sed -n '/^#/p' requirements.lock; cat requirements.lock.new; } > requirements.lock.both
	@mv requirements.lock.both requirements.lock && rm requirements.lock.new
	$(BIN)/python packaging/licences.py requirements.lock > docs/licences.md

audit: .venv-supply/.installed
	.venv-supply/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

.venv-supply/.installed: packaging/supply.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) .venv-interop .venv-supply build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "qdebug needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(APP): | $(BIN)/python
	@echo "Installing qdebug into $(VENV) (some minutes the first time)" >&2
	$(INSTALL) .
	@rm -f $(VENV)/.installed-* && touch $@

$(DEV): | $(BIN)/python
	@echo "Installing qdebug and its development tools into $(VENV) (some minutes the first time)" >&2
	$(INSTALL) '.[dev]'
	@rm -f $(VENV)/.installed-* && touch $(APP) $@
