# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` set everything up themselves, in .venv; a second run starts at once.
.DEFAULT_GOAL := help
.PHONY: help install nvidia studio test quick faults floors demo docs lint format clean

BASE_PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOG := build/install.log
STUDIO := runtime/studio
ROOMS := $(shell find fmmp_train fmmp_export runtime/fmmp_runtime -name __init__.py)
CPP := $(shell find trt_plugins -type f -not -name '*.pyc' 2>/dev/null)
CPP_CODE := $(shell git ls-files '*.h' '*.hpp' '*.cpp' '*.cu' '*.cuh' 2>/dev/null)

help:
	@echo "make demo     export the demo model and find keypoints in photographs (pictures in demo/)"
	@echo "make test     run every test that this machine can run"
	@echo "make quick    the tests of an edit: no exports, no training, no compiling"
	@echo "make faults   hostile inputs, kills and breaks of the code, in short; python -m tests.faults.long goes on"
	@echo "make floors   the runtime's tests with the oldest packages that pyproject.toml allows, in build/floors"
	@echo "make docs     the pages of docs/ and the API from the docstrings, into build/docs"
	@echo "make lint     the checks of a commit;  make format  put the code in the project's form"
	@echo "make studio   check, test and build the web page (needs Node 20)"
	@echo "make nvidia   fetch NVIDIA's libraries into build/, so that the tests ask them too"
	@echo "make install  only set up .venv;  make clean  remove what was built"

install: $(STAMP)

nvidia: $(BIN)/python
	$(BIN)/python trt_plugins/tensorrt/fetch_nvidia.py

studio: $(STUDIO)/node_modules/.package-lock.json
	npm --prefix $(STUDIO) run check
	npm --prefix $(STUDIO) test
	npm --prefix $(STUDIO) run build

$(STUDIO)/node_modules/.package-lock.json: $(STUDIO)/package-lock.json
	npm --prefix $(STUDIO) ci --no-progress
	@touch $@

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

floors: $(STAMP)
	$(BIN)/python tests/project/floors.py

faults: $(STAMP)
	$(BIN)/python -m pytest -q -m faults --durations=5

quick: $(STAMP)
	$(BIN)/python -m pytest -q -m "not slow" --durations=5

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/docs/index.html"

demo: $(STAMP)
	$(BIN)/python -m fmmp_export.cli.demo --out demo

lint: $(STAMP)
	$(BIN)/pre-commit run --all-files

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/python -m docs.pictures.write
	$(if $(CPP_CODE),$(BIN)/clang-format -i $(CPP_CODE))

clean:
	rm -rf build demo $(STAMP)

$(BIN)/python:
	@$(BASE_PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; (3, 10) <= sys.version_info[:2] <= (3, 13) or \
	  sys.exit("fmmp needs Python 3.10 to 3.13, $(BASE_PYTHON) is " + v + ": say make BASE_PYTHON=/path/to/python3.11")'
	$(BASE_PYTHON) -m venv $(VENV)

# The stamp is newer than all that decides what is installed: a new package too, but no other Python file. Where TensorRT's
# headers can't be fetched, the part that needs them is left out; the lines that start with "fmmp:" say so.
$(STAMP): $(BIN)/python pyproject.toml CMakeLists.txt $(ROOMS) $(CPP)
	@mkdir -p build
	-@$(BIN)/python trt_plugins/tensorrt/fetch_nvidia.py headers
	@echo "installing into $(VENV); the words of pip and CMake go to $(LOG)"
	@$(BIN)/python -m pip install --verbose --editable '.[train,export,studio,sign,dev,docs]' > $(LOG) 2>&1 || { tail -n 50 $(LOG); exit 1; }
	@sed -n 's|^ *-- \(fmmp: .*\)|\1|p' $(LOG)
	@touch $@
