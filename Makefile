# The two commands of the README are `make run` and `make test`; each does all of its own set-up.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= $(or $(SWITCHGEAR_DATA),data)

.PHONY: help run setup dev check fmt test e2e test-clients chaos fuzz bench docs lock prices golden clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# Only what is given is passed on, so that a configuration file keeps its word. HOST counts on the command line
# alone: many a shell and toolchain exports one that means something else.
RUN_FLAGS = --data "$(DATA)" $(if $(CONFIG),--config "$(CONFIG)") $(if $(PORT),--port $(PORT)) \
  $(if $(filter command,$(firstword $(origin HOST))),--host $(HOST))

run: $(VENV)/.run ## set up and start on 127.0.0.1:8080 (PORT=…, HOST=…, DATA=…, CONFIG=…)
	@exec $(BIN)/switchgear serve $(RUN_FLAGS)

setup: $(VENV)/.run ## make the virtual environment with the locked dependencies

dev: $(VENV)/.dev ## the same with what checks and tests need

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Switchgear needs Python 3.11 or newer; set PYTHON=…")'
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing locked dependencies (about 400 MB, once) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/run.lock
	@$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "switchgear.pth").write_text(str(pathlib.Path("src").resolve()))'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m switchgear.cli "$$@"\n' > $(BIN)/switchgear && chmod +x $(BIN)/switchgear
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@echo "Installing what checks and tests need …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

# The official SDKs one major version before the current ones, for the tests that drive a server with both.
.venv-sdk-previous/.done: requirements/sdk-previous.lock
	@$(PYTHON) -m venv .venv-sdk-previous
	@.venv-sdk-previous/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/sdk-previous.lock
	@touch $@

check: $(VENV)/.dev ## lint, types, import rules
	@$(BIN)/ruff check src tests bench tools
	@$(BIN)/ruff format --check -q src tests bench tools
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

fmt: $(VENV)/.dev ## sort imports, fix what can be fixed, lay the code out
	@$(BIN)/ruff check --fix src tests bench tools
	@$(BIN)/ruff format src tests bench tools

test: $(VENV)/.dev .venv-sdk-previous/.done ## everything that must hold at every change
	@$(BIN)/pytest -m "not slow" $(ARGS)

golden: $(VENV)/.dev ## write the transcripts of tests/wire/pairs again; read the diff
	@RECORD_GOLDEN=1 $(BIN)/pytest tests/wire/pairs/test_golden.py $(ARGS)

e2e: $(VENV)/.dev .venv-sdk-previous/.done ## real processes and sockets only
	@$(BIN)/pytest tests/e2e -m "not slow" $(ARGS)

test-clients: $(VENV)/.dev ## JavaScript SDKs and command-line agents, which it installs first (3 GB; Node.js ≥ 20)
	@$(BIN)/python -m tests.clients.install
	@$(BIN)/pytest tests/clients -m slow $(ARGS)

chaos: $(VENV)/.dev ## a hundred kills under load (KILLS=…, SEED=…)
	@$(BIN)/pytest tests/chaos -m slow -s $(ARGS)

soak: $(VENV)/.dev ## mixed load with churn; prints what each process holds (SOAK_MINUTES=10)
	@$(BIN)/pytest tests/soak -m slow -s $(ARGS)

.venv-fuzz/.done: requirements/fuzz.lock
	@$(PYTHON) -m venv .venv-fuzz
	@.venv-fuzz/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/fuzz.lock
	@touch $@

fuzz: .venv-fuzz/.done ## atheris on every reader (FUZZ_SECONDS=60 each, ARGS="sse tap")
	@PYTHONPATH=src:. .venv-fuzz/bin/python -m tests.fuzz.run $(ARGS) 2>&1 | grep -v '^INFO: Instrumenting'; \
	  exit $${PIPESTATUS[0]}

bench: $(VENV)/.dev ## CPU of a request and a chunk beside nginx, memory, time to first token (ARGS="--rounds 3")
	@PYTHONPATH=src:. $(BIN)/python -m bench.run $(ARGS)

docs: $(VENV)/.dev ## write docs/reference again from the code's own tables
	@PYTHONPATH=src $(BIN)/python tools/make_docs.py

lock: ## resolve requirements/*.in again into hash-locked files
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q uv
	@for f in run dev sdk-previous fuzz; do .venv-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --upgrade -q requirements/$$f.in -o requirements/$$f.lock; done

lock-clients: $(VENV)/.dev ## resolve the clients of test-clients again into their lock files
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q uv
	@.venv-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade -q tests/clients/aider.in -o tests/clients/aider.lock
	@$(BIN)/python -m tests.clients.lock

prices: $(VENV)/.dev ## write the price book again from the installed genai-prices
	@PYTHONPATH=src $(BIN)/python tools/update_prices.py

clean: ## remove the environment and caches, keep data
	@rm -rf tests/clients/sdk/node_modules tests/clients/agents/node_modules .venv-aider
	@rm -rf $(VENV) .venv-lock .venv-fuzz build/fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis
