# Every target makes what it needs: a fresh machine has only to have make.
#
#   make demo                     the guided tour; STORAGE=url runs it on that storage
#   make test                     the tests; in two processes, or JOBS=...; PYTEST_ARGS=... is passed on
#   make check                    format, lint, types, layers, sizes, generated docs
#   make explore                  compares the storages over 5,000 new random histories, and has every call fail in every way:
#                                 some 15 minutes
#   make simulate                 20,000 simulated clusters from new seeds: about an hour; SIMULATE_ARGS=... instead of that
#   make chaos                    5,000 kills of real processes on SQLite: some 25 minutes; CHAOS_ARGS=... instead of that
#   make chaos-postgres           2,000 kills and some 250 restarts of the server on Postgres: some 25 minutes; CHAOS_ARGS=...
#   make chaos-objectstore        1,000 kills and some 250 takeovers of the owner on object storage in a folder: some 20 minutes
#   make chaos-s3                 the same in a bucket of moto: some 2 hours
#   make chaos-hybrid             1,000 kills on a hybrid: some 10 minutes
#   make outage                   a minute without a server, twice, for 32 workers with 10,000 jobs due on Postgres: some 4 minutes
#   make powercut                 4,800 power cuts under SQLite: some 10 minutes; POWERCUT_ARGS=... instead of that
#   make planted                  plants every fault of tests/planted and shows what catches it: some 5 minutes;
#                                 PLANTED_ARGS=... names some, or raises the --seeds for each
#   make mutants                  changes the state machine in every small way and runs its tests: some 10 minutes
#   make bench                    the benchmarks; BENCH_ARGS=... is passed on
#   make bench-against COMMIT=... this tree's rates over that commit's, in pairs of runs: some 15 minutes
#   make bench-guard              fails where the same work takes more instructions than at the last tag, or at COMMIT=...:
#                                 some 3 minutes
#   make bench-peers              installs the peers of python -m bench.peers, each in a virtual environment of its own
#   make format                   rewrites what the formatter and the linter can fix, and the generated docs
#   make clean                    removes .venv and caches

BIN := .venv/bin
READY := .venv/.installed
AZURITE := .venv/azurite/.installed

STORAGE ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
SIMULATE_ARGS ?= --seed $$(date +%s) --seeds 20000 --jobs 0
POWERCUT_ARGS ?= --cuts 2000 --seed 1 --durability all --json docs/explanation/data/powercut-sqlite.json
CHAOS_ARGS ?= --storage sqlite --kills 5000 --slices 10 --seed 1 --json docs/explanation/data/chaos-sqlite.json
PLANTED_ARGS ?=
JOBS ?= 2

.PHONY: demo test check explore simulate chaos chaos-postgres chaos-objectstore chaos-s3 chaos-hybrid outage powercut planted mutants bench bench-against bench-guard bench-peers format setup clean
.DEFAULT_GOAL := test

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/setup.sh scripts/packages.sh
	@PYTHON='$(PYTHON)' sh scripts/setup.sh

$(AZURITE): scripts/azurite.sh | $(READY)
	@sh scripts/azurite.sh

demo: $(READY)
	@$(BIN)/headrace demo $(if $(STORAGE),--storage '$(STORAGE)')

test: $(READY) $(AZURITE)
	$(BIN)/python -m pytest -q -n $(JOBS) $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/python scripts/generate_docs.py --check

explore: $(READY)
	HEADRACE_EXAMPLES=5000 $(BIN)/python -m pytest -q -o timeout=7200 tests/storage/test_model_based.py
	HEADRACE_EVERY_CLASS=1 $(BIN)/python -m pytest -q -o timeout=7200 tests/runtime/test_fault_at_every_call.py
	HEADRACE_EVERY_CLASS=1 $(BIN)/python -m pytest -q tests/storage/test_conformance_postgres_pooled.py
	HEADRACE_EVERY_CLASS=1 $(BIN)/python -m pytest -q -o timeout=7200 tests/acceptance/test_move.py -k killed
	HEADRACE_EVERY_BYTE=1 $(BIN)/python -m pytest -q tests/storage/postgres/test_postgres_lines.py

simulate: $(READY)
	$(BIN)/python -m headrace.testing.simulation $(SIMULATE_ARGS)

chaos: $(READY)
	$(BIN)/python -m headrace.testing.chaos $(CHAOS_ARGS)

chaos-postgres: CHAOS_ARGS = --storage postgres --kills 2000 --slices 10 --seed 1 --json docs/explanation/data/chaos-postgres.json
chaos-postgres: chaos

chaos-objectstore: CHAOS_ARGS = --storage objectstore --kills 1000 --slices 5 --seed 1 --json docs/explanation/data/chaos-objectstore.json
chaos-objectstore: chaos

chaos-s3: CHAOS_ARGS = --storage s3 --kills 1000 --slices 20 --seed 1 --json docs/explanation/data/chaos-s3.json
chaos-s3: chaos

chaos-hybrid: CHAOS_ARGS = --storage hybrid --kills 1000 --slices 8 --seed 1 --json docs/explanation/data/chaos-hybrid.json
chaos-hybrid: chaos

outage: $(READY)
	HEADRACE_OUTAGE=1 $(BIN)/python -m pytest -q tests/acceptance/test_postgres_outage.py -k minute

powercut: $(READY)
	$(BIN)/python -m headrace.testing.powercut $(POWERCUT_ARGS)

planted: $(READY)
	$(BIN)/python -m tests.planted --write $(PLANTED_ARGS)

mutants: $(READY)
	$(BIN)/mutmut run --max-children 1
	$(BIN)/mutmut results

bench: $(READY)
	$(BIN)/python -m bench $(BENCH_ARGS)

bench-against: $(READY)
	$(BIN)/python -m bench.against $(COMMIT) $(BENCH_ARGS)

bench-guard: $(READY)
	$(BIN)/python -m bench.guard $(COMMIT) $(BENCH_ARGS)

bench-peers: $(READY)
	$(BIN)/python -m bench.peers.environments $(BENCH_ARGS)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/generate_docs.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis mutants
