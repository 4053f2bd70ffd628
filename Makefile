# Two commands do everything: `make run` starts the town, `make test` proves the house.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup setup-dev run test prove lint lock bench clean

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Huifang needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

run: setup
	$(BIN)/huifang town

test: setup-dev
	@sh .ci/browser
	$(BIN)/python -m pytest -q -n auto --dist worksteal

# 20,000 messages each, 200 deaths of the sender; DATABASE=postgres for the other database
DATABASE ?= sqlite
prove: setup-dev
	$(BIN)/python -m tests.proof --mode scheduled --database $(DATABASE)
	$(BIN)/python -m tests.proof --mode immediate --database $(DATABASE)

lint: setup-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra build
lock: setup-dev
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --extra dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt

bench: setup-dev
	$(BIN)/huifang bench rehearse

clean:
	rm -rf $(VENV) build *.egg-info
