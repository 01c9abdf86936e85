# Every target sets up what it needs; make help lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Else every process compiles what it imports anew, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo draw test test-long test-lowest lint bench pictures wheel audit clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## Train ten detectors in less than a minute, and read pictures with them.
	$(BIN)/python examples/demo.py

draw: $(VENV)/installed-web ## Draw digits on a page in the browser, and watch the detectors vote.
	$(BIN)/python -m ovr_digits draw

test: $(VENV)/installed-test ## Run the tests.
	$(BIN)/python -m pytest -n auto --dist loadgroup

# What takes minutes: fuzzing, crashes, hostile load, wheels, the tour, the site. Those that could go on for
# ever take OVR_DIGITS_LONG_SECONDS each, 60 unless told otherwise.
test-long: $(VENV)/installed-long ## Run the tests that take minutes.
	$(BIN)/python -m pytest -m long -rP -n auto --dist loadgroup

# The same tests with the oldest versions of the dependencies that pyproject.toml allows.
test-lowest: ## Run the tests with the oldest dependencies that are allowed.
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python \
		--resolution lowest-direct --editable '.[test]'
	$(VENV)-lowest/bin/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/installed-lint ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All contestants, one after the other; make bench BENCH='--only sgd' or BENCH=scaling.
bench: $(VENV)/installed-bench ## Measure accuracy and speed beside other methods.
	$(BIN)/python -m benchmarks $(BENCH)

# The pictures of README.md and docs/, and what the tour shows.
pictures: $(VENV)/installed-test ## Draw the pictures of README.md and docs/ again.
	$(BIN)/python docs/make_pictures.py

# The site of the documentation; a link to nothing is an error.
.PHONY: docs
docs: $(VENV)/installed-docs ## Build the site of the documentation into build/site/.
	$(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html; with search: $(BIN)/python -m http.server -d build/site"

# The same sources and the same hatchling give the same bytes, wherever and whenever.
wheel: $(VENV)/installed-test ## Build the packages into dist/.
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m pip hash dist/ovr_digits-*

# Asks PyPI for known vulnerabilities of all that is installed for the product and its tests;
# what cannot be looked up is a failure, too.
audit: $(VENV)/installed-test ## Look for known vulnerabilities in what is installed.
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)-audit/installed.txt
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --no-deps \
		--requirement $(VENV)-audit/installed.txt

clean: ## Remove what the other targets have made.
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-audit build dist demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Those who come first see what pip does, and that it goes on.
$(VENV)/installed: $(BIN)/python pyproject.toml
	@echo "Installing ovr-digits and what it stands on into $(VENV): about a minute, once."
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-web: $(BIN)/python pyproject.toml
	@echo "Installing ovr-digits and its page into $(VENV): about a minute, once."
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[web]'
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
