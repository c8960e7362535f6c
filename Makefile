# `make` lists the targets. What is installed lies in .venv and .jars, what a run makes in build.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
DS ?= 2011-12-08
CONFIG ?= conf/demo.toml
JARS_FROM ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup jars demo night show test test-slow lint format tables lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready jars  ## install what is locked (about 6 GB) and resolve Delta's two JARs

.venv/.ready: requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) mind/preflight.py
	@echo "Installing the locked packages into .venv (about 6 GB, one to a few minutes) ..."
	@rm -f $@
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/uv pip check -q --python $(BIN)/python
	@touch $@

jars: .venv/.ready  ## resolve Delta's JARs, or take them from JARS_FROM=directory
	@$(PYTHON) mind/preflight.py
	@$(BIN)/python -m mind.storage.jars $(if $(JARS_FROM),--from $(JARS_FROM))

demo: setup  ## one night on the bundled Online Retail log
	@$(BIN)/python -m mind.launch night --ds 2011-12-08 --config conf/demo.toml

night: setup  ## one night: DS=YYYY-MM-DD CONFIG=conf/yours.toml
	@$(BIN)/python -m mind.launch night --ds $(DS) --config $(CONFIG)

show: setup  ## print the command lines of a night: DS=... CONFIG=...
	@$(BIN)/python -m mind.launch show $$($(BIN)/python -c "from mind.launch import STEPS; print(*STEPS)") --ds $(DS) --config $(CONFIG)

test: setup lint  ## lint, then the fast tests
	@$(BIN)/python -m pytest -m "not slow"

test-slow: setup  ## the long tests
	@$(BIN)/python -m pytest -m slow

lint: .venv/.ready  ## ruff and mypy
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy --no-error-summary

format: .venv/.ready  ## let ruff put the code into shape
	@$(BIN)/ruff check -q --fix . && $(BIN)/ruff format -q .

tables: .venv/.ready  ## write the README's table reference from the contracts
	@$(BIN)/python -m mind.tables README.md

lock: .venv/.ready  ## pin what pyproject.toml asks for, with hashes
	@$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' -q -o requirements.lock

clean:  ## remove build, and nothing else
	rm -rf build
