# Everything a fresh Debian or Ubuntu machine needs: `make run` and `make test`.
# PYTHON=... chooses the interpreter of a new virtual environment.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export QT_API := pyside6

.DEFAULT_GOAL := help
.PHONY: help setup system run test lint models scoreboard clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

setup: $(STAMP) ## install system packages, the virtual environment and the program

system:
	@bash packaging/system_packages.sh

$(STAMP): pyproject.toml constraints.txt | system
	bash packaging/create_venv.sh $(VENV) $(PYTHON)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: setup ## the embedded demo: the window, or a headless report without a display
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(BIN)/sparsescope demo; else $(BIN)/sparsescope demo --headless; fi

# Two processes with one thread each: more threads than cores wait for each other. Files keep their order, in which those
# with slow tests come first (tests/conftest.py); the plugin's own order ends with them, as they stand alone in their files.
test: setup ## all tests
	OMP_NUM_THREADS=1 xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One real field with cells, scored beside the drawn slides where the test data are at hand.
FIELD := $(or $(SPARSESCOPE_TEST_DATA),../shared/data)/hgsc_nest
REAL_FIELD := $(if $(wildcard $(FIELD).jpg),--field $(FIELD).jpg --field-cells $(FIELD).geojson --field-mpp 0.5)

models: setup ## make the shipped encoder and autoencoders anew: about an hour on two cores; goes on after a stop
	$(BIN)/python -m sae_backend.compute.pretrain --work build/models --resources resources

scoreboard: setup ## score the shipped models on generated slides and keep the result in resources/scoreboard
	$(BIN)/sparsescope demo --scoreboard --out build/scoreboard $(REAL_FIELD)
	mkdir -p resources/scoreboard
	cp build/scoreboard/scoreboard.csv build/scoreboard/scoreboard.png build/scoreboard/scoreboard.txt resources/scoreboard/
	$(if $(REAL_FIELD),cp build/scoreboard/real_field.txt resources/scoreboard/)
	$(BIN)/python -m sae_backend.compute.pretrain.cards --resources resources

clean: ## remove the virtual environment
	rm -rf $(VENV)
