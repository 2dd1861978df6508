# kolla-k8s: `make demo` shows it working, `make test` proves it. Both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3
PYTHONS ?= python3.12 python3.13 python3.14
SITE ?= values/sites/$(if $(KUBECONFIG),demo,sandbox).yaml
CHECKOV ?= 3.3.30
CHECKOV_HOME = $${XDG_CACHE_HOME:-$$HOME/.cache}/kolla-k8s/checkov-$(CHECKOV)
HELM = $$(dirname $$($(BIN)/python -m sandbox helm))
export PYTHONPATH := $(CURDIR)
unexport PYTHONDONTWRITEBYTECODE  # else the checkout is compiled anew at each start of a command

.PHONY: help setup fmt lint types imports check test unit pythons e2e test-compute outages faults faults-full faults-report cover golden charts charts-check checkov bench demo docs docs-check lock package images sandbox-up sandbox-down sandbox-status

##@ Build
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BIN)/.ready ## Make the virtual environment

$(BIN)/.ready: pyproject.toml requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements-dev.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	touch $@

package: setup ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

lock: ## Resolve the development set anew, with hashes
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group dev pyproject.toml -o requirements-dev.txt

##@ Check
fmt: setup ## Format the code
	$(BIN)/ruff format kolla_k8s sandbox tests
	$(BIN)/ruff check --fix -q kolla_k8s sandbox tests

lint: setup ## ruff and codespell
	$(BIN)/ruff format --check -q kolla_k8s sandbox tests
	$(BIN)/ruff check -q kolla_k8s sandbox tests
	$(BIN)/codespell -q 3 kolla_k8s sandbox tests docs service_defs values *.md

types: setup ## mypy, strict
	$(BIN)/mypy

imports: setup ## The layers of the package
	$(BIN)/lint-imports

check: lint types imports charts-check docs-check ## Everything quick but the tests

test: check ## All tests, on real images too; those that share no cluster side by side, with WORKERS=0 one by one
	$(BIN)/python -m sandbox build >/dev/null
	PATH="$(HELM):$$PATH" $(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

unit: setup ## Tests that need nothing but helm
	PATH="$(HELM):$$PATH" $(BIN)/pytest -m "not cluster and not e2e and not sandbox"

pythons: ## Quick tests and the same charts under other Pythons; PYTHONS names those that are here
	for python in $(PYTHONS); do $(MAKE) charts-check unit PYTHON=$$python VENV=.venv-$$(basename $$python); done

outages: setup ## Lose members, pods and the node again and again
	PATH="$(HELM):$$PATH" OUTAGES=10 $(BIN)/pytest tests/e2e/test_ha.py

test-compute: check ## Whole clouds on sandboxes of their own, which boot a server; one with its data in Ceph, one without OVN
	PATH="$(HELM):$$PATH" COMPUTE=1 $(BIN)/pytest tests/e2e/test_compute.py tests/e2e/test_ceph.py tests/e2e/test_ovs.py

e2e: setup ## Install real images on a sandbox of its own
	PATH="$(HELM):$$PATH" $(BIN)/pytest -m e2e

faults: setup ## Kill, cut off and overload an install: a sample
	PATH="$(HELM):$$PATH" $(BIN)/pytest -m faults tests/cluster

faults-full: setup ## Every kill, storm and race; continues where it was interrupted
	mkdir -p .faults
	PATH="$(HELM):$$PATH" $(BIN)/python -m tests.cluster.kills .faults/kills.json
	PATH="$(HELM):$$PATH" FAULT_SEEDS=20 FAULT_RACES=50 FAULT_RESULTS=.faults/results.jsonl \
		$(BIN)/pytest tests/cluster/test_api_faults.py tests/cluster/test_operators.py

faults-report: setup ## Tell in docs/reliability what faults-full has found
	$(BIN)/python -m tests.cluster.results .faults docs/reliability

cover: setup ## Branch coverage of the quick tests
	$(BIN)/coverage erase
	PATH="$(HELM):$$PATH" $(BIN)/coverage run -m pytest -q -m "not cluster and not e2e and not sandbox" --timeout 300
	$(BIN)/coverage combine -q
	$(BIN)/coverage report
	$(BIN)/coverage report --include "kolla_k8s/model/*,kolla_k8s/compile/*" --fail-under 100

golden: setup ## Accept what the golden tests print now
	PATH="$(HELM):$$PATH" GOLDEN=write $(BIN)/pytest -q tests/golden

##@ Charts and documents
charts: setup ## Compile the definitions into charts/
	$(BIN)/kolla-k8s gen-charts

charts-check: setup ## Committed charts equal their definitions
	$(BIN)/kolla-k8s gen-charts --check

checkov: setup ## What Checkov says of the charts, in a virtual environment of its own; docs/security.md says why
	test -e "$(CHECKOV_HOME)/.ready" || $(PYTHON) -m venv "$(CHECKOV_HOME)"
	test -e "$(CHECKOV_HOME)/.ready" || "$(CHECKOV_HOME)/bin/pip" install -q "checkov==$(CHECKOV)"
	touch "$(CHECKOV_HOME)/.ready"
	PATH="$(HELM):$$PATH" $(BIN)/python tests/checkov.py "$(CHECKOV_HOME)/bin/checkov"

docs: setup ## Write the generated references
	$(BIN)/python docs/generate.py

docs-check: setup ## Committed references equal the model
	$(BIN)/python docs/generate.py --check

bench: setup ## Print each budget's figure and its ratio to a reference
	PATH="$(HELM):$$PATH" $(BIN)/python tests/bench.py

##@ Try
demo: setup ## A cloud on this machine (or on KUBECONFIG's cluster), and its proof
	PATH="$(HELM):$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sandbox.demo $(SITE)

images: setup ## Make real Kolla images for the sandbox
	$(BIN)/python -m sandbox.images

sandbox-up: setup ## A real Kubernetes on this machine
	$(BIN)/python -m sandbox up

sandbox-down: setup ## End it without a trace
	$(BIN)/python -m sandbox down

sandbox-status: setup ## What runs, and where
	$(BIN)/python -m sandbox status
