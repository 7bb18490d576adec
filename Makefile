# dpattn. `make help` lists what there is; every target sets up what it needs and does it once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
CC ?= cc
CXX ?= c++

# $(call apt_get,COMMAND,PACKAGE): get a command that is not here, where that is possible; whether it is here now is for the caller to see.
define apt_get
if ! command -v $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	{ apt-get update && apt-get install -y --no-install-recommends $(2); } >/dev/null 2>&1 || echo "apt-get could not install $(2)"; \
fi
endef

include mk/library.mk
include mk/install.mk
include mk/python.mk
include mk/go.mk
include mk/c.mk
include mk/ggml.mk
include mk/fuzz.mk
include mk/check.mk
include mk/bench.mk
include mk/audit.mk
include mk/compare.mk
include mk/docs.mk

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: build/$(LIBRARY) ## the C library, as build/libdpattn.so

.PHONY: demo
demo: build $(VENV)/ready ## release real data privately and show what comes out
	$(VENV_PYTHON) bindings/python/examples/digits.py

.PHONY: test
test: test-go test-extending test-arm64 test-abi test-asan test-cpp test-python test-readme test-install test-wheel ggml test-audit ## all tests: Go, C, C++ and Python
	@echo "make test: every suite passed"

.PHONY: clean
clean: ## remove everything that was made
	rm -rf build $(VENV)
	find audit bench bindings compare study tests -name __pycache__ -o -name '.*_cache' | xargs rm -rf
