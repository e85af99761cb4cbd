# make demo: set up, train on the synthetic atmosphere, forecast, verify, draw. make test: set up and run the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(or $(PY4CAST_ROOTDIR),py4cast_runs)

.PHONY: demo docs test lint types setup peers flow-peers runtime clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

demo: setup
	PATH="$(abspath $(BIN)):$$PATH" bash bin/demo.sh "$(RUNS)"

test: setup
	$(BIN)/python -m pytest -n 2

# the documentation as a site, links checked: site/
docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[docs]
	PATH="$(abspath $(BIN)):$$PATH" bash doc/site/gallery.sh build/gallery
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo site/index.html

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# the packages that benchmarks and tests of parity compare with, each in a folder of its own beside the environment
peers: setup
	for peer in neural_lam mfai anemoi anemoi_models mllam cartopy earth2studio; do \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .peers/$$peer -r benchmarks/peers/$$peer.txt || exit 1; \
	done

# the solvers that benchmarks/physics.py races with; pyqg is built with the tools of its time
flow-peers: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .peers/flow_jax -r benchmarks/peers/flow_jax.txt
	PIP_CONSTRAINT=benchmarks/peers/pyqg_constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .peers/pyqg pyqg==0.7.2

# an environment for operations alone, without torch, and a look whether it works
runtime:
	$(PYTHON) -m venv .venv-runtime
	.venv-runtime/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints-runtime.txt
	.venv-runtime/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
	.venv-runtime/bin/py4cast inspect tests/golden/step.onnx

clean:
	rm -rf $(VENV) .venv-runtime .peers build *.egg-info
