# Each target sets up what it needs: a bare checkout, Python 3.11 to 3.13 and make are enough.
# PYTHON=/path/to/python3.12 chooses the Python.

BIN := .venv/bin
export PYTHON
# What make starts are demonstrations and tests, often in a container whose only user is root.
export SYMS_AS_ROOT = 1
# Images of containers like to set this; a station of twenty processes would compile all its modules twenty times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-all pictures lint format schema bench chaos matrix fuzz sbom bundle lock clean

help:
	@echo 'make demo      the whole pipeline on this machine, with simulated devices and a generation trip'
	@echo 'make test      the tests (some minutes); make test-all has the slow ones too'
	@echo 'make lint      style, types, walls between the rooms'
	@echo 'make bench     measure against the goals: benchmarks/RESULTS.md (an hour and more; BENCH="decode emd" for some)'
	@echo 'make chaos     random kills and stops of a working station, then an oracle (ten minutes; SECONDS=60 SEED=7)'
	@echo 'make matrix    every fault in turn, for hours, resumable: the table of docs/reliability.md (ROWS=kill for some)'
	@echo 'make fuzz      bytes that break what they must not break, a minute for each target (EACH=600 TARGETS="splitter frame")'
	@echo 'make pictures  docs/pictures anew, by a test in Chromium (two minutes)'
	@echo 'make sbom      build/sbom.json (CycloneDX) and docs/licences.md'
	@echo 'make bundle    build/syms-station-….run: installs the station on a server without a network (PYTHONS="3.11 3.12")'
	@echo 'make setup     only .venv, with the syms command in .venv/bin/syms'
	@echo 'make schema    pipelines/schema.json and config/schema.json anew from the settings'
	@echo 'make lock      make requirements.lock anew from pyproject.toml'
	@echo 'make clean     remove .venv and caches (never data)'

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml .ci/setup
	@.ci/setup

demo: setup
	@$(BIN)/syms demo

# Four files of tests at a time: most of them wait for other processes. With all tests each tries more, too (tests/thorough.py).
test: setup
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

test-all: setup
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m ''

# Needs Chromium. What a newcomer sees of the demonstration: docs/console.md.
pictures: setup
	SYMS_PICTURES=docs/pictures $(BIN)/pytest tests/system/test_console.py -m ''

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What editors complete from; a test tells when a setting has changed since.
schema: setup
	$(BIN)/syms schema > pipelines/schema.json
	$(BIN)/syms schema --site > config/schema.json

# Sections of benchmarks/RESULTS.md: all, or those named (QUICK=1: whether they work, not how fast it is).
BENCH :=
QUICK :=
bench: setup
	@$(BIN)/python -m benchmarks $(BENCH) $(if $(QUICK),--quick)

# Last line: sent, archived, lost, duplicated, unreadable, windows, missed, twice; exit 1 if any of it is wrong.
SECONDS := 600
SEED :=
chaos: setup
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# Rows that are done stand in build/matrix.jsonl and are not done again.
ROWS :=
matrix: setup
	@$(BIN)/python -m tests.chaos.matrix $(ROWS) $(if $(TIMES),--times $(TIMES))

# Inputs that led somewhere new stay in build/fuzz/corpus; what broke something is in build/fuzz/found.
EACH := 60
TARGETS :=
fuzz: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet 'atheris==3.0.0'
	@$(BIN)/python -m tests.fuzz --seconds $(EACH) $(TARGETS)

sbom: setup
	@$(BIN)/python .ci/sbom.py

# Of what is committed. EXTRAS="archive parquet" takes these too; GLIBC=2.28 is the oldest C library that it is to run with.
PYTHONS :=
EXTRAS :=
GLIBC :=
bundle: setup
	@$(BIN)/python .ci/bundle.py --pythons "$(PYTHONS)" --extras "$(EXTRAS)" $(if $(GLIBC),--glibc $(GLIBC))

# Needs uv (https://docs.astral.sh/uv); one lock for all of 3.11 to 3.13, hashes of every file, no index in it.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --upgrade --quiet \
	    --custom-compile-command 'make lock' -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
