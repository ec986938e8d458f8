# `make run` and `make test` do everything on a fresh machine with Python 3.11 to 3.13.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

.PHONY: run test check format bench demo-model pictures lock clean

run: $(VENV)/.installed
	@$(BIN)/python -m pipeline demo
	@$(BIN)/python -m pipeline dashboard

# In two processes, for many tests wait for a job or a single thread; then the browser has the machine to itself.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser"
	$(BIN)/python -m pytest -m browser

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks

demo-model: $(VENV)/.installed
	$(BIN)/python -m pipeline demo --retrain

# README's pictures, of the demo's phantoms; needs a Chromium.
pictures: $(VENV)/.installed-dev
	$(BIN)/python -m tests.browser.pictures assets/pictures

# The lock files hold for Python 3.11 to 3.13 on every platform.
lock: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header requirements-dev.txt \
		-c requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Hilum needs Python 3.11, 3.12 or 3.13; install one, or say: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: requirements.lock | $(BIN)/python
	@echo "Installing the dependencies: about 1 GB to download, once"
	@$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(BIN)/python
	@echo "Installing the dependencies and the test tools: about 1 GB to download, once"
	@$(BIN)/python -m pip install --disable-pip-version-check --prefer-binary --quiet -r requirements-dev.lock
	@touch $@ $(VENV)/.installed
