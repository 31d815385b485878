# Everything a developer runs. `make` alone lists it.
#
# The targets build their own environment in .venv and bring it up to date when pyproject.toml
# changes. Other choices:   make run PYTHON=python3.13   make test VENV=/elsewhere/venv

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CODE   := parlour runtime actors storage testing tests benchmarks examples

# BUSY runs a command and says every few seconds that it is still at work: unpacking Ray is silent.
BUSY = sh -c 'while sleep 5 >/dev/null 2>&1; do echo "  ... still at it"; done & beat=$$!; \
	"$$@"; status=$$?; kill $$beat 2>/dev/null; exit $$status' busy
PIP  = $(BUSY) $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test test-cluster soak soak-storage fuzz parity check types format bench wheel clean
.NOTPARALLEL:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22

run: $(VENV)/.installed ## install Parlour and run the chat example at http://127.0.0.1:1999
	@exec $(BIN)/parlour dev examples/chat/chat.py

# All but tests/cluster, whose hosts take minutes and want root.
test: $(VENV)/.installed-test ## run the test suite
	@exec $(BIN)/python -m pytest --ignore=tests/cluster -n 2 --dist loadscope --no-loadscope-reorder

test-cluster: $(VENV)/.installed-cluster ## run the tests on a cluster of hosts (network namespaces; root)
	@exec $(BIN)/python -m pytest tests/cluster

check: $(VENV)/.installed-test ## lint, formatting and types
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))
	@$(MAKE) --no-print-directory types

# mypy cannot follow the package mapping of an editable install, so it is shown the package as an
# installed one looks: links to the four folders under one name. New files are seen at once.
types: $(VENV)/.installed-test ## the type checker alone, strict
	@rm -rf build/types && mkdir -p build/types/parlour
	@ln -s $(CURDIR)/parlour/* $(CURDIR)/runtime $(CURDIR)/actors $(CURDIR)/storage $(CURDIR)/testing build/types/parlour/
	MYPYPATH=build/types $(BIN)/mypy -p parlour
	MYPYPATH=build/types:. $(BIN)/mypy $(foreach d,tests benchmarks examples,$(if $(wildcard $d/*.py $d/*/*.py),$d))

format: $(VENV)/.installed-test ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix $(wildcard $(CODE))
	$(BIN)/ruff format $(wildcard $(CODE))

MINUTES ?= 30
soak: $(VENV)/.installed-test ## break things at random for MINUTES=30, and 1,000 rooms for 5 minutes
	@PARLOUR_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -s tests/system/test_many_rooms.py tests/system/test_handover.py tests/faults/test_faults.py

soak-storage: $(VENV)/.installed-test ## kill the server under storage 200 times, and random histories for minutes
	@PARLOUR_SOAK=10 $(BIN)/python -m pytest --timeout=3600 --durations=5 tests/faults/test_storage_killed_server.py tests/contract/test_storage_model.py tests/storage/test_large_space.py

fuzz: $(VENV)/.installed-test ## send 100,000 mutated requests to a gateway; PARLOUR_SEED repeats a run
	@PARLOUR_FUZZ=100000 $(BIN)/python -m pytest -s tests/runtime/test_fuzz.py

parity: $(VENV)/.installed-test ## write docs/partykit.md from its rows and the tests that show them
	@$(BIN)/python -m tests.parity.page

bench: $(VENV)/.installed-test ## measure Parlour beside its peers: benchmarks/RESULTS.md; QUICK=1 for one short round
	@exec $(BIN)/python -m benchmarks $(if $(QUICK),--quick)

# From a copy of what is committed or about to be: a build leaves files behind, and packs old ones.
wheel: $(VENV)/.installed-test ## build dist/parlour-*.whl, which cluster.yaml sends to the nodes
	@rm -rf build/wheel dist && mkdir -p build/wheel
	@cp -R pyproject.toml README.md LICENSE parlour runtime actors storage testing build/wheel/
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist build/wheel

clean: ## remove what the targets built (.venv, caches), not your rooms' data in .parlour
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(wildcard $(CODE)) -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Parlour needs Python 3.11 or newer, and \`$(PYTHON)\` is not one;" \
		"install one and name it: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making an environment in $(VENV)"
	@$(BUSY) $(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@echo "Installing Parlour (Ray is the large part; a minute or two the first time)"
	@$(PIP) install -e .
	@touch $@

# Not for the other tests: with its dashboard, Ray takes twice as long to start.
$(VENV)/.installed-cluster: $(VENV)/.installed-test
	@echo "Installing Ray's job server, which the tests on a cluster need"
	@$(PIP) install -e ".[test,dev,cluster]"
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/pip
	@echo "Installing Parlour, and what its tests and checks need"
	@$(PIP) install -e ".[test,dev]"
	@touch $(VENV)/.installed $@
