# make demo: install and run the main job.   make test: install and run the tests.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check bench schemas clean
.DEFAULT_GOAL := demo

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'promptlathe needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/promptlathe run runs/support_triage.yaml
	@echo "       (here: $(BIN)/promptlathe ui)"

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(MAKE) test

bench: $(STAMP)
	for bench in startup tracking throughput; do $(BIN)/python benchmarks/$$bench.py || exit 1; done

clean:
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis

schemas: $(STAMP)
	$(BIN)/python -m promptlathe.job.schemas
