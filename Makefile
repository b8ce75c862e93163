# Each target makes its own virtual environment on first use; `make clean` starts afresh.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python files are used in place, but the installation knows them by name: it is made again when
# a file comes or goes, or when what is compiled changes.
BUILD_INPUTS := pyproject.toml CMakeLists.txt $(wildcard src/core/*)
PYTHON_FILES := $(sort $(shell find src/chainrule -name '*.py'))

.PHONY: demo test lint format bench docs clean FORCE

demo: $(VENV)/.installed
	$(BIN)/chainrule train

test: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.test $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks.step_time

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "open build/docs/index.html"

clean:
	rm -rf $(VENV) build

# pip before 25.1 does not know dependency groups.
$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "chainrule needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null \
		|| { echo "chainrule needs a C++ compiler: install g++ or clang (Debian: apt-get install g++)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.files: $(VENV)/.pip FORCE
	@echo $(PYTHON_FILES) | cmp -s - $@ || echo $(PYTHON_FILES) >$@

$(VENV)/.installed: $(VENV)/.files $(BUILD_INPUTS)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

$(VENV)/.%: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@
