# make help lists the verbs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
DOCKER ?= docker
BASE_IMAGE ?= python:3.11-slim-bookworm
COMPONENTS_IMAGE ?= health-predict-components:local
SERVING_IMAGE ?= health-predict-serving:local
export DOCKER PYTHON
SCRIPTS := .ci/run tests/checkov/run manifests/generate-secrets $(wildcard cluster/images/* cluster/bootstrap/*.sh manifests/*/*/*.sh) \
	cluster/node/minikube-start cluster/node/forward cluster/node/prune cluster/node/node-setup
COMPILE := $(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.PHONY: run
run: venv ## Run the whole pipeline: DATA=path or URI, BATCH=0..5, ARGS="more options"
	@$(BIN)/health-predict run $(if $(DATA),--data '$(DATA)') $(if $(BATCH),--batch $(BATCH)) $(ARGS)

.PHONY: test
test: venv ## Run every test that needs no cluster: ARGS="more options of pytest"
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

.PHONY: test-faults
test-faults: venv ## Break a release in every way while a client asks, and print the table
	@$(BIN)/pytest -m faults $(ARGS)

.PHONY: test-cluster
test-cluster: venv ## Test releases and manifests on the cluster that KUBECONFIG names
	@test -n "$$KUBECONFIG" || { echo "error: set KUBECONFIG to a cluster's" >&2; exit 2; }
	@CLUSTER_TESTS_REQUIRED=1 $(BIN)/pytest tests/cluster tests/manifests/test_on_a_cluster.py \
		tests/manifests/test_run_on_a_cluster.py $(ARGS)

.PHONY: lint
lint: venv ## Check style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/hadolint $(wildcard */Dockerfile)
	@if command -v shellcheck >/dev/null; then shellcheck -x -P . $(SCRIPTS); \
		else echo "shellcheck is not installed: the scripts are not checked"; fi

.PHONY: policy
policy: venv .venv/checkov/.ready ## Hold the manifests and cluster/ to checkov's rules, with justified exceptions only
	@tests/checkov/run

# An environment of its own: checkov's pins do not go with the project's.
.venv/checkov/.ready: tests/checkov/requirements.txt
	$(PYTHON) -m venv .venv/checkov
	.venv/checkov/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

.PHONY: venv
venv: .venv/.ready ## Create .venv from the hash-pinned lock

.venv/.ready: pipelines/requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not there; install Python 3.11 or set PYTHON" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: bench-run
bench-run: venv ## Measure one whole run (DATA as for run): seconds of each step, memory, AUC
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_run.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-features
bench-features: venv ## Measure the encoder: rows a second, microseconds of one row
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_features.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-models
bench-models: venv ## Measure the models, cross-validated by patient, beside plain baselines
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_models.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-search
bench-search: venv ## Measure the search: time, memory, what pruning saves and costs
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_search.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-distributed
bench-distributed: venv ## Measure the distributed fit beside that of one process, at 1 and 10 million rows
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_distributed.py $(ARGS)

.PHONY: bench-drift
bench-drift: venv ## Measure the drift rules' false alarms and power (DATA: a file beside the cohort)
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_drift.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-data
bench-data: venv ## Measure ingest at 1 and 10 million rows beside pandas (DATA: the file to repeat)
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_data.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-serving
bench-serving: venv ## Measure serving beside KServe's own floor and a FastAPI app
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_serving.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: bench-runtimes
bench-runtimes: venv ## Measure what scores encoded rows: microseconds a row of each runtime and family
	@PYTHONPATH=tests $(BIN)/python tests/bench/bench_runtimes.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: pictures
pictures: venv ## Take the README's pictures, of a run on the second batch: DATA as for run; needs chromium
	@PYTHONPATH=tests $(BIN)/python tests/bench/pictures.py $(if $(DATA),--data '$(DATA)') $(ARGS)

.PHONY: base-image
base-image: ## Make BASE_IMAGE with debootstrap, where no image registry is reachable (root)
	@cluster/images/base '$(BASE_IMAGE)'

.PHONY: images
images: image-components image-serving ## Build both images: DOCKER=a client with BuildKit, BASE_IMAGE, COMPONENTS_IMAGE, SERVING_IMAGE

.PHONY: image-components
image-components: ## Build the image of the steps and of MLflow's server
	@cluster/images/build '$(COMPONENTS_IMAGE)' components/Dockerfile --build-arg 'BASE_IMAGE=$(BASE_IMAGE)'

.PHONY: image-serving
image-serving: ## Build the image of the model server
	@cluster/images/build '$(SERVING_IMAGE)' serving/Dockerfile --build-arg 'BASE_IMAGE=$(BASE_IMAGE)'

.PHONY: test-images
test-images: venv ## Test the built images, and run the whole pipeline in them; one that is not there, or is stale, fails
	@IMAGE_TESTS_REQUIRED=1 COMPONENTS_IMAGE='$(COMPONENTS_IMAGE)' SERVING_IMAGE='$(SERVING_IMAGE)' \
		$(BIN)/pytest -m image $(ARGS)

.PHONY: lock
lock: venv ## Pin every dependency again, with hashes
	$(COMPILE) pyproject.toml --all-extras --group dev -o pipelines/requirements.txt
	$(COMPILE) pyproject.toml --extra components -c pipelines/requirements.txt -o components/requirements.txt
	$(COMPILE) pyproject.toml --extra serving -c pipelines/requirements.txt -o serving/requirements.txt
	$(COMPILE) tests/checkov/requirements.in -o tests/checkov/requirements.txt

.PHONY: clean
clean: ## Remove .venv and all state, after stopping what serves
	-@$(BIN)/health-predict stop
	rm -rf .venv .health-predict
