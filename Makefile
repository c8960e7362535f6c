# `make` lists the targets. What is installed lies in .venv, .venv-airflow, .venv-s3 and .jars, what a run makes in build.

# A machine that is busy needs more than uv's minute for a file.
export UV_COMPILE_BYTECODE_TIMEOUT ?= 900

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
CONFIG ?= conf/demo.toml
JARS_FROM ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup jars demo night compare show explain data-check bench bench-tuples bench-train bench-retrieve bench-page quality doctor airflow test test-slow lint format tables package lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready jars  ## install what is locked (about 6 GB) and resolve Delta's two JARs

.venv/.ready: requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) mind/preflight.py
	@echo "Installing the locked packages into .venv (about 6 GB, one and a half to a few minutes) ..."
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/uv pip check -q --python $(BIN)/python
	@echo "Installed. make doctor tries it out, make demo runs a night."
	@touch $@

# Peers of the benchmarks, in the same environment; hnswlib comes as source and needs a C++ compiler.
.venv/.bench-ready: .venv/.ready requirements-bench.lock
	@$(PYTHON) mind/preflight.py
	@rm -f $@
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --build-constraints requirements-bench.lock \
		-r requirements-bench.lock
	@$(BIN)/uv pip check -q --python $(BIN)/python
	@touch $@

jars: .venv/.ready  ## resolve Delta's JARs, or take them from JARS_FROM=directory; S3=1: those for a lake at s3://
	@$(PYTHON) mind/preflight.py
	@$(BIN)/python -m mind.storage.jars $(if $(S3),--s3) $(if $(JARS_FROM),--from $(JARS_FROM))

demo: setup  ## one night on the bundled Online Retail log
	@$(BIN)/python -m mind.launch night --ds 2011-12-08 --config conf/demo.toml

night: setup  ## one night: DS=YYYY-MM-DD CONFIG=conf/yours.toml
	@test -n '$(DS)' || { echo "say which: make night DS=YYYY-MM-DD CONFIG=conf/yours.toml (without CONFIG: the demo's)"; exit 2; }
	@$(BIN)/python -m mind.launch night --ds $(DS) --config $(CONFIG)

compare: setup  ## challengers beside the champion on a night's test rows: DS=... (VERSIONS=3,5,7) CONFIG=...
	@test -n '$(DS)' || { echo "say which night: make compare DS=YYYY-MM-DD CONFIG=conf/yours.toml"; exit 2; }
	@$(BIN)/python -m mind.cli compare --ds $(DS) --config $(CONFIG) $(if $(VERSIONS),--versions=$(VERSIONS))

show: setup  ## print the command lines of a night: DS=... CONFIG=...
	@test -n '$(DS)' -o '$(CONFIG)' = conf/demo.toml || { echo "say which: make show DS=YYYY-MM-DD CONFIG=$(CONFIG)"; exit 2; }
	@$(BIN)/python -m mind.launch show --ds $(or $(DS),2011-12-08) --config $(CONFIG)

explain: setup  ## a user's night in words: USER=... (DS=..., ITEM=..., CONFIG=...)
	@test '$(origin USER)' = 'command line' || { echo "say who: make explain USER=17850"; exit 2; }
	@$(BIN)/python -m mind.cli explain --config $(CONFIG) $(if $(filter command,$(firstword $(origin DS))),--ds $(DS)) \
		$(if $(ITEM),--item=$(ITEM)) -- '$(USER)'

data-check: setup  ## what a raw log holds, before anybody trains: SOURCE=movielens_1m (DATA=/path/ratings.dat)
	@test -n '$(SOURCE)' || { echo "say which: make data-check SOURCE=online_retail; see conf/sources"; exit 2; }
	@$(BIN)/python -m mind.cli data_check $(if $(DATA),--path '$(DATA)') -- '$(SOURCE)'

doctor: setup  ## versions, paths, and one row through all packages: CONFIG=...
	@$(BIN)/python -m mind.cli doctor --config $(CONFIG)

# Airflow's pins fight with ours, so it has an environment of its own; only the checkout is on its path.
.venv-airflow/.ready: requirements-airflow.lock .venv/.ready
	@rm -f $@
	@test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	@$(BIN)/uv pip install -q --python .venv-airflow/bin/python --compile-bytecode --require-hashes -r requirements-airflow.lock
	@pwd > .venv-airflow/lib/python3.11/site-packages/mind-checkout.pth
	@touch $@

# An S3 server for the tests, in an environment of its own: moto needs an older python-dateutil than ours.
.venv-s3/.ready: requirements-s3.lock .venv/.ready
	@rm -f $@
	@test -x .venv-s3/bin/python || $(PYTHON) -m venv .venv-s3
	@$(BIN)/uv pip install -q --python .venv-s3/bin/python --compile-bytecode --require-hashes -r requirements-s3.lock
	@touch $@

airflow: setup .venv-airflow/.ready  ## Airflow in an environment of its own, standalone: CONFIG=...
	@mkdir -p build/airflow
	@AIRFLOW_HOME=$(CURDIR)/build/airflow AIRFLOW__CORE__DAGS_FOLDER=$(CURDIR)/airflow_dags \
		AIRFLOW__CORE__LOAD_EXAMPLES=False MIND_CONFIG=$(CONFIG) AIRFLOW__API__WORKERS=1 \
		AIRFLOW_CONN_SPARK_DEFAULT='{"conn_type": "spark", "host": "local[2]"}' \
		sh -c 'export PATH="$(CURDIR)/.venv-airflow/bin:$$PATH"; airflow db migrate > build/airflow/migrate.log 2>&1 && \
			airflow pools set mind_heavy 1 "steps that fill this machine" > /dev/null && exec airflow standalone'

bench: bench-tuples bench-train bench-retrieve  ## all benchmarks, into build/bench.json

bench-tuples: setup .venv/.bench-ready  ## tuples from 2 and 20 million events beside DuckDB and pandas (QUICK=1: 2)
	@$(BIN)/python -m tests.bench.tuples $(if $(QUICK),--quick)

bench-train: setup .venv/.bench-ready  ## a training step beside torch-rechub's, the loader beside pyarrow (THREADS=1)
	@OMP_NUM_THREADS=$(or $(THREADS),1) $(BIN)/python -m tests.bench.train --threads $(or $(THREADS),1)

bench-retrieve: setup .venv/.bench-ready  ## retrieval from 1 and 10 million items beside faiss and hnswlib (QUICK=1: 100,000)
	@QUICK=$(QUICK) $(BIN)/python -m tests.bench.retrieve

bench-page: setup  ## write the numbers of build/bench.json and build/quality.json into docs/benchmarks.md
	@$(BIN)/python -m tests.bench.page docs/benchmarks.md

quality: setup  ## all methods on three logs, three seeds, into build/quality.json; an hour or more (QUICK=1, ABLATION=1, DEVICE=cuda)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.quality --device $(or $(DEVICE),cpu) $(if $(QUICK),--quick) $(if $(ABLATION),--ablation)

test: setup lint  ## lint, then the fast tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: setup .venv-airflow/.ready .venv-s3/.ready  ## the long tests
	@$(BIN)/python -m pytest -m slow

lint: .venv/.ready  ## ruff and mypy
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy --no-error-summary

format: .venv/.ready  ## let ruff put the code into shape
	@$(BIN)/ruff check -q --fix . && $(BIN)/ruff format -q .

tables: .venv/.ready  ## write the table and configuration references from the code
	@$(BIN)/python -m mind.tables docs/tables.md
	@$(BIN)/python -m mind.config_reference docs/configuration.md

package: .venv/.ready  ## build/mind.zip: what Spark's workers on other machines need of ours
	@mkdir -p build
	@$(BIN)/python -c "import pathlib, zipfile; z = zipfile.ZipFile('build/mind.zip', 'w', zipfile.ZIP_DEFLATED); \
		[z.write(file) for file in sorted(pathlib.Path('mind').rglob('*.py'))]; z.close()"

lock: .venv/.ready  ## pin what pyproject.toml asks for, with hashes
	@$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' -q -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements.lock --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command 'make lock' -q -o requirements-bench.lock
	@$(BIN)/uv pip compile --group pyproject.toml:airflow --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command 'make lock' -q -o requirements-airflow.lock
	@$(BIN)/uv pip compile --group pyproject.toml:s3 --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command 'make lock' -q -o requirements-s3.lock

clean:  ## remove build, and nothing else
	rm -rf build
