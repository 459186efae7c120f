# Every command sets itself up first. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
COMMA := ,
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PIP := $(RUN) -m pip --disable-pip-version-check

# pip at work, without a line for each of its steps
define TELL
n=0; while read -r word _; do case $$word in \
  Collecting) n=$$((n + 1)); if ((n % 20 == 0)); then echo "  $$n of about $$(grep -c == requirements.lock)"; fi ;; \
  Installing) echo '  unpacking them (half a minute)' ;; esac; done
endef

.PHONY: help setup test check demo bench fuzz chaos proof real dashboards clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv, at the locked versions

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'error: $(PYTHON) is missing or older than 3.11; install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 1; }
	@echo 'setup: virtual environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@echo 'setup: locked packages, hashes checked (a few minutes the first time)'
	@$(PIP) install --require-hashes -r requirements.lock | { $(TELL); }
	@echo 'setup: this project, editable'
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo 'setup: done'

check: setup ## lint, format and types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

test: check ## the checks, then every test on a real Kafka and Redis, three at a time
	$(RUN) -m deploy.local run -- $(RUN) -m pytest -n 3 --dist loadfile

demo: setup ## the whole way from an export to daily energy, on local services; KEEP=1 leaves them up
	@$(RUN) -m deploy.demo $(if $(KEEP),--keep)

bench: setup ## measure the speed, half an hour; PARTS=cells,fleet for some
	@$(RUN) -m bench $(subst $(COMMA), ,$(PARTS))

fuzz: setup ## 200,000 mutated records through the fold and through a worker; FUZZ_SEED repeats a run
	@FUZZ_SEED=$${FUZZ_SEED:-$$RANDOM} FUZZ_RECORDS=$${FUZZ_RECORDS:-200000} \
	  $(RUN) -m deploy.local run -- $(RUN) -m pytest -q -s tests/fuzz

chaos: setup ## kill and break everything and check that no result changes, 90 minutes; CHAOS_ONLY=F2,F5 for some faults
	@$(RUN) -m tests.faults

proof: setup ## find injected faults of cells, and compare the stream of batteries with one process, to the byte
	@$(RUN) -m bench.detection
	@BATTERIES=large $(RUN) -m deploy.local run -- $(RUN) -m pytest -q --timeout 3600 \
	  -k "replay or killed" tests/kafka/test_batteries.py

real: setup ## compare with published data of a real battery
	@$(RUN) -m bench.real

dashboards: setup ## generate Grafana's dashboards
	@$(RUN) -m deploy.grafana

clean: ## remove what the commands above have made
	rm -rf $(VENV) .local build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
