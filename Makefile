# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` set everything up themselves, in .venv; a second run starts at once.
.DEFAULT_GOAL := help
.PHONY: help install test demo lint format clean

BASE_PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CPP := $(shell find trt_plugins -type f 2>/dev/null)
CPP_CODE := $(shell git ls-files '*.h' '*.hpp' '*.cpp' '*.cu' '*.cuh' 2>/dev/null)

help:
	@echo "make demo     export the demo model and find keypoints in photographs (pictures in demo/)"
	@echo "make test     run every test that this machine can run"
	@echo "make lint     the checks of a commit;  make format  put the code in the project's form"
	@echo "make install  only set up .venv;  make clean  remove what was built"

install: $(STAMP)

test: $(STAMP)
	$(BIN)/python -m pytest

demo: $(STAMP)
	$(BIN)/python -m fmmp_export.demo --out demo

lint: $(STAMP)
	$(BIN)/pre-commit run --all-files

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(if $(CPP_CODE),$(BIN)/clang-format -i $(CPP_CODE))

clean:
	rm -rf build demo $(STAMP)

$(BIN)/python:
	@$(BASE_PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; (3, 10) <= sys.version_info[:2] <= (3, 13) or \
	  sys.exit("fmmp needs Python 3.10 to 3.13, $(BASE_PYTHON) is " + v + ": say make BASE_PYTHON=/path/to/python3.11")'
	$(BASE_PYTHON) -m venv $(VENV)

# The stamp is newer than all that decides what is installed; Python files are found without a reinstall.
$(STAMP): $(BIN)/python pyproject.toml CMakeLists.txt $(CPP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,export,dev]'
	@touch $@
