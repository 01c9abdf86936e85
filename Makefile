# make demo sets up everything and runs the main job; make test sets up everything and tests it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Else every process compiles what it imports anew, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-long test-lowest lint bench pictures wheel audit clean

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --dist loadgroup

# What takes minutes: fuzzing, crashes, hostile load, wheels, the tour, the site. Those that could go on for
# ever take OVR_DIGITS_LONG_SECONDS each, 60 unless told otherwise.
test-long: $(VENV)/installed-long
	$(BIN)/python -m pytest -m long -rP -n auto --dist loadgroup

# The same tests with the oldest versions of the dependencies that pyproject.toml allows.
test-lowest:
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python \
		--resolution lowest-direct --editable '.[test]'
	$(VENV)-lowest/bin/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All contestants, one after the other; make bench BENCH='--only sgd' or BENCH=scaling.
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(BENCH)

# The pictures of README.md and docs/, and what the tour shows.
pictures: $(VENV)/installed-test
	$(BIN)/python docs/make_pictures.py

# The site of the documentation; a link to nothing is an error.
.PHONY: docs
docs: $(VENV)/installed-docs ## Build the site of the documentation into build/site/.
	$(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html; with search: $(BIN)/python -m http.server -d build/site"

# The same sources and the same hatchling give the same bytes, wherever and whenever.
wheel: $(VENV)/installed-test
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m pip hash dist/ovr_digits-*

# Asks PyPI for known vulnerabilities of all that is installed for the product and its tests;
# what cannot be looked up is a failure, too.
audit: $(VENV)/installed-test
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)-audit/installed.txt
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --no-deps \
		--requirement $(VENV)-audit/installed.txt

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-audit build dist demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/installed-long: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,fuzz,docs]'
	@touch $@

$(VENV)/installed-lint: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

$(VENV)/installed-docs: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

$(VENV)/installed-bench: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@
