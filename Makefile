# Each target makes its own virtual environment on first use; `make clean` starts afresh.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python files are used in place, but the installation knows them by name: it is made again when
# a file comes or goes, or when what is compiled changes.
BUILD_INPUTS := pyproject.toml CMakeLists.txt $(wildcard src/core/*)
PYTHON_FILES := $(sort $(shell find src/chainrule -name '*.py'))

# Builds the C++ tests of the core in build/$(1) and runs them; with compiler flags $(2), a smaller
# selection of those that match $(3).
define test_core
	$(BIN)/cmake -G Ninja -D CMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -S . -B build/$(1) \
		-D CHAINRULE_TESTS=ON $(if $(2),-D CHAINRULE_QUICK=ON -D CMAKE_CXX_FLAGS="-g1 $(2)")
	$(BIN)/cmake --build build/$(1)
	$(BIN)/ctest --test-dir build/$(1) --output-on-failure $(if $(3),--tests-regex $(3))
endef

.PHONY: demo test sanitize lint format bench docs clean FORCE

demo: $(VENV)/.installed
	$(BIN)/chainrule train

test: $(VENV)/.test $(VENV)/.native
	$(BIN)/python -m pytest
	$(call test_core,core)

# The tests of the core while the compiler's own checks watch: of memory and of what C++ leaves
# undefined, then of threads.
sanitize: $(VENV)/.native
	$(call test_core,sanitize-memory,-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all,.)
	$(call test_core,sanitize-threads,-fsanitize=thread,'threads|gauss_newton')

lint: $(VENV)/.test $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench
	$(BIN)/chainrule bench --output build/bench

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
