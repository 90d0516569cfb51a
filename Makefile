# The two commands: `make reproduce` runs the study's sample, `make test` checks the project. Both make .venv first.

PYTHON ?= python3.11
# Where torch comes from. The default has the CPU build: the plain package index would bring gigabytes of CUDA.
# With a GPU: make env TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
CORES ?= all

# Where `make query-mp` puts its frozen table, and what else to tell it, such as MP_OPTIONS="--elements Li O".
MP_FOLDER ?= materials-project
MP_OPTIONS ?=

BIN := .venv/bin
READY := .venv/.made-from-lock
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq

# Whose graphs `make benchmark` takes, such as BENCHMARK_OPTIONS="--configfile config/qm8.yaml"; the sample's by default.
BENCHMARK_OPTIONS ?=

.PHONY: help env reproduce lint test test-full benchmark dag config-docs query-mp audit

help:
	@echo "make reproduce   .venv from the lock file, then every figure and table of the sample (minutes)"
	@echo "make test        lint, unit tests and one tiny run of the workflow"
	@echo "make test-full   the tests that take longer: repeats, kills, stand-ins"
	@echo "make lint        format, style, types and workflow checks alone"
	@echo "make benchmark   seconds of our curvature products and of other packages' (a quarter of an hour)"
	@echo "make dag         the graph of the rules, docs/images/dag.svg, drawn again"
	@echo "make config-docs config/README.md, written again from the schema"
	@echo "make audit       known vulnerabilities of the packages in the lock files (needs pypi.org)"
	@echo "make query-mp    today's Materials Project as a frozen table with its config (needs MP_API_KEY)"
	@echo "make env         .venv alone (TORCH_INDEX=... for a CUDA build of torch)"

env: $(READY)

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
	  echo "$(PYTHON) is not there: install Python 3.11, or say where it is by PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making .venv with $(PYTHON) from requirements.lock (a minute or two) ..."
	@$(PYTHON) -m venv --clear .venv
	@grep -v '^torch==' requirements.lock > .venv/without-torch.txt
	@$(PIP) --no-deps -r .venv/without-torch.txt
	@echo "Installing torch from $(TORCH_INDEX) ..."
	@$(PIP) --retries 1 --index-url $(TORCH_INDEX) $$(grep '^torch==' requirements.lock)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
	@echo ".venv is ready."

reproduce: env
	@echo "Running the sample: snakemake --cores $(CORES)"
	@$(BIN)/snakemake --cores $(CORES)

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

test: lint
	$(BIN)/pytest -m "not slow" -n 2

test-full: env
	$(BIN)/pytest -m slow

benchmark: env
	$(BIN)/snakemake benchmark_curvature --cores 1 $(BENCHMARK_OPTIONS)

# The sample, the downloads, and the data that are joined from two of them: all rules that lead to figures.
dag: env
	@mkdir -p .snakemake
	@for config in config paper mp_2020; do \
	  $(BIN)/snakemake --quiet all --rulegraph --configfile config/$$config.yaml || exit 1; \
	done > .snakemake/rules.dot
	@$(BIN)/python -m curvature_mtl.commands.draw_rules --rules workflow/rules/*.smk --output docs/images/dag.svg \
	  < .snakemake/rules.dot
	@echo "docs/images/dag.svg is drawn."

config-docs: env
	@$(BIN)/python -m curvature_mtl.commands.document_config --output config/README.md
	@echo "config/README.md is written."

# --strict: a package that the index does not know is an error, not a pass.
audit:
	@$(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/python -m pip --disable-pip-version-check install -qq pip-audit==2.10.1
	@for lock in requirements.lock requirements-mp-api.lock; do \
	  .venv-audit/bin/pip-audit --strict --no-deps --disable-pip --ignore-vuln CVE-2025-3000 -r $$lock || exit 1; \
	done

query-mp: .venv-mp-api/.made-from-lock
	@PYTHONPATH=workflow .venv-mp-api/bin/python -m curvature_mtl.commands.query_materials_project --folder $(MP_FOLDER) $(MP_OPTIONS)

.venv-mp-api/.made-from-lock: requirements-mp-api.lock
	@echo "Making .venv-mp-api with $(PYTHON) from requirements-mp-api.lock ..."
	@$(PYTHON) -m venv --clear .venv-mp-api
	@.venv-mp-api/bin/python -m pip --disable-pip-version-check install -qq --no-deps -r requirements-mp-api.lock
	@touch $@
