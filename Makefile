# Every target does its own set-up in .venv. PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= $(if $(ECHELON_DATA),$(ECHELON_DATA),../shared/data)
comma := ,
EXTRAS := dev,postgresql,otel$(if $(shell command -v java 2>/dev/null),$(comma)spark)
INSTALL = UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: demo serve test test-fast lint notebooks docs client scoreboard reliability screenshots peers featuretools clean help

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/.ready  ## simulate 5,000 customers, train, publish, report
	$(BIN)/echelon simulate --customers 5000 --seed 7 --out var/demo/exports
	env -u ECHELON_DATA $(BIN)/echelon run --config configs/demo.yaml

serve: .venv/.ready  ## answer predictions for the demo at http://127.0.0.1:3000
	$(BIN)/echelon serve --config configs/demo.yaml

test: .venv/.ready-dev var/client-generator/.ready  ## the whole suite (ECHELON_DATA=… adds the tests on real data)
	$(BIN)/pytest -n 2 --dist loadgroup $(PYTEST_FLAGS)

test-fast: .venv/.ready-dev  ## the part that ends within 90 seconds
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not spark and not data" $(PYTEST_FLAGS)

lint: .venv/.ready-dev  ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: .venv/.ready-dev  ## run the four notebooks on the demo's results
	$(BIN)/python -m notebooks.execute

docs: .venv/.ready-dev  ## write the pages that are generated from the code
	$(BIN)/python -m features.docs

client: .venv/.ready var/client-generator/.ready  ## write a typed Python client of the endpoint to var/client
	$(BIN)/python -m serving.endpoint.openapi var/openapi.json
	PATH="$(CURDIR)/var/client-generator/bin:$$PATH" openapi-python-client generate --path var/openapi.json \
	  --meta none --output-path var/client/echelon_client --overwrite \
	  --config .ci/client-generator.yaml

scoreboard: .venv/.ready var/peers/.ready  ## measure S1 to S5 beside their peers (DATA=folder of public data)
	$(BIN)/python -m benchmarks.scoreboard --data $(DATA) \
	  --peers-python var/peers/bin/python --out benchmarks/results/scoreboard.json

RELIABILITY := swaps mutations kills terminations overload actions
reliability: .venv/.ready-dev  ## prove swaps, damaged models, killed workers, SIGTERM, overload, bad requests, jobs
	failed=; for proof in $(RELIABILITY); do \
	  $(BIN)/python -m benchmarks.reliability.$$proof $(if $(CONFIG),--config $(CONFIG)) \
	    || failed="$$failed $$proof"; done; \
	  for proof in fuzz batch; do \
	  $(BIN)/python -m benchmarks.$$proof $(if $(CONFIG),--config $(CONFIG)) \
	    || failed="$$failed $$proof"; done; test -z "$$failed" || { echo "broken:$$failed"; exit 1; }

SCREENSHOTS ?= var/screenshots
screenshots: .venv/.ready-dev  ## look at every page of the demo's console, both languages, laptop and phone
	$(BIN)/python -m benchmarks.console.screenshots --config $(or $(CONFIG),configs/demo.yaml) --out $(SCREENSHOTS)

peers: var/peers/.ready  ## an environment with the packages that the scoreboard compares with

featuretools: var/featuretools/.ready  ## an environment with featuretools, for benchmarks.scale

clean:  ## remove what the demo and the tests made
	rm -rf var .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv

.venv/.ready: .venv/bin/uv pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

.venv/.ready-dev: .venv/bin/uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[$(EXTRAS)]'
	@touch $@ .venv/.ready

var/client-generator/.ready: .venv/bin/uv .ci/client-generator.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python var/client-generator
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet \
	  --python var/client-generator/bin/python --requirement .ci/client-generator.txt
	@touch $@

var/peers/.ready: .venv/bin/uv benchmarks/peers.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python var/peers
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python var/peers/bin/python \
	  --constraint benchmarks/peers.txt lifetimes pymc-marketing \
	  && touch $@ || echo "the peers cannot be installed here: they will be said not to be run"

var/featuretools/.ready: .venv/bin/uv benchmarks/featuretools.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python var/featuretools
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python var/featuretools/bin/python \
	  --requirement benchmarks/featuretools.txt \
	  && touch $@ || echo "featuretools cannot be installed here: it will be said not to be run"
