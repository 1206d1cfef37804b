# Ampward. `make help` lists what there is. Targets that check never edit; `fix` edits.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
# Hundreds of processes begin in a test run: none of them is to compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
HOURS ?= 1
WORKERS ?= 2
ARGS ?=
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ampward-setup
# Built in place by setup, anew when one of them changed (docs/adr/0107).
COMPILED := $(wildcard shared/compiled/*.pyx)

# What the tests drive Ampward with, from the system's packages: command or file -> package.
APT_PACKAGES := mosquitto mosquitto-clients socat mbpoll libmodbus-dev libc6-dev gcc pkg-config strace iproute2 util-linux mount openssl procps swaks systemd \
    openjdk-17-jre-headless maven postgresql kcat prometheus

.PHONY: help setup run test check fix bench bench-fleet soak containers-test mutants fuzz licences lock bundle fleet system-deps broker clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## Make .venv with the locked dependencies and ampward (does nothing when up to date)

$(STAMP): requirements.lock pyproject.toml $(COMPILED)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Ampward needs Python 3.11 and '$(PYTHON)' is not one. Install it (Debian: apt-get install python3.11 python3.11-venv)" >&2; \
	  echo "or say where it is: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "Installing python3.11-venv"; apt-get -qq update && apt-get -qq install -y python3.11-venv >/dev/null; \
	  else echo "Python's venv module is missing. Install it (Debian: apt-get install python3.11-venv) and try again." >&2; exit 1; fi; }
	@infra/compiler $(PYTHON)
	@test -x $(PY) || { echo "Making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the locked dependencies"
	@$(PY) -m pip install --disable-pip-version-check --no-input --require-hashes -r requirements.lock | { grep -v '^Requirement already satisfied' || true; }
	@echo "Installing ampward"
	@$(PY) -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: setup broker ## Start the demo site with its live view (ARGS="FILE --data DIR ..." for others)
	@exec $(VENV)/bin/ampward run $(ARGS)

fleet: setup system-deps ## Run the fleet's servers without containers until Ctrl-C (ARGS="--dir DIR")
	@exec $(VENV)/bin/ampward fleet up --foreground $(ARGS)

test: setup system-deps ## Run every test, WORKERS=2 at a time (ARGS="FILE -k WORD ..." for some)
	@$(PY) -m pytest -n $(WORKERS) $(ARGS)

check: setup ## Format, lint, types and import contracts; edits nothing
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fix: setup ## Format and mend what ruff can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup ## Measure, into bench/site.json
	@$(PY) -m tests.bench $(ARGS)

bench-fleet: setup system-deps ## Measure one processor beside Kafka Streams, into bench/fleet.json
	@$(PY) -m tests.bench.fleet $(ARGS)

soak: setup system-deps ## Hold the goals at full count for HOURS=1, into bench/soak.json
	@$(PY) -m tests.soak --hours $(HOURS) $(ARGS)

containers-test: setup ## Build and run docker-compose.yml; with KUBECONFIG hand the overlays to a cluster (CRDS=DIR)
	@$(PY) -m tests.containers.compose
	@if [ -n "$${KUBECONFIG:-}" ]; then $(PY) -m tests.containers.cluster; else echo "KUBECONFIG is not set: no cluster was asked"; fi

mutants: setup system-deps ## Plant the seeded bugs one by one; each must be caught by its named test
	@$(PY) -m tests.mutants $(ARGS)

fuzz: setup ## Fuzz every parser, and what people are told, at length
	@FUZZ=long $(PY) -m pytest -o timeout=0 tests/fuzz tests/services/notifier/test_properties.py $(ARGS)

bundle: setup ## Make dist/ampward-VERSION-PLATFORM.tar.gz for a box without internet
	@$(PY) infra/bundle/make.py dist $(ARGS)

licences: setup ## List what is depended on, with licences
	@$(VENV)/bin/pip-licenses --format=markdown --order=license --ignore-packages ampward

lock: ## Resolve requirements.lock again from pyproject.toml
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet --disable-pip-version-check uv; }
	.venv-lock/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --all-extras --python-version 3.11 --quiet pyproject.toml -o requirements.lock

# RUNLEVEL=1: no package may start a service of its own; the tests start theirs.
system-deps: ## Install what the tests need from the system's package manager (as root)
	@missing=""; for package in $(APT_PACKAGES); do dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then \
	  if ! command -v apt-get >/dev/null; then echo "Not a Debian system: install the equivalents of$$missing, then run the tests with $(PY) -m pytest" >&2; exit 1; fi; \
	  if [ "$$(id -u)" != 0 ]; then echo "Missing system packages. As root: apt-get install$$missing" >&2; exit 1; fi; \
	  echo "Installing$$missing"; apt-get -qq update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; fi

broker:
	@if ! command -v mosquitto >/dev/null && [ ! -x /usr/sbin/mosquitto ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing mosquitto"; { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mosquitto >/dev/null; } || echo "mosquitto cannot be installed; going on without it" >&2; fi

clean: ## Remove what the tools made (not the data)
	@rm -rf .venv .venv-lock *.egg-info build shared/compiled/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
