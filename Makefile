# dpattn. `make help` lists what there is; every target sets up what it needs and does it once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
CC ?= cc
CXX ?= c++

# $(call apt_get,COMMAND,PACKAGE): get a command that is not here, where that is possible; whether
# it is here now is for the caller to see. One at a time, for apt-get does not wait for its lock.
define apt_get
if ! command -v $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	flock Makefile bash -c "apt-get update && apt-get install -y --no-install-recommends $(2)" >/dev/null 2>&1 || \
		echo "apt-get could not install $(2)"; \
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
include mk/study.mk
include mk/docs.mk

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: build/$(LIBRARY) ## the C library, as build/libdpattn.so

.PHONY: demo
demo: build $(VENV)/ready ## release real data privately and show what comes out
	$(VENV_PYTHON) bindings/python/examples/digits.py

# The longest come first, which fills the cores best.
SUITES := test-python test-asan test-go test-audit test-arm64 test-cpp test-extending test-wheel test-abi \
	test-install ggml test-readme
CORES := $(shell getconf _NPROCESSORS_ONLN)
SIDE_BY_SIDE := -j$(CORES) --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=recurse)

.PHONY: test
test: ## all tests, in Go, C, C++ and Python, side by side on all cores
	@echo "make test: $(words $(SUITES)) suites on $(CORES) cores; each prints what it did when it ends"
	@if $(MAKE) --no-print-directory $(SIDE_BY_SIDE) $(SUITES); then \
		echo "make test: every suite passed, in $$((SECONDS / 60)) min $$((SECONDS % 60)) s"; \
		echo "suites: $(words $(SUITES)) passed, 0 failed"; \
	else \
		echo "make test: failed after $$SECONDS s; the lines with *** name the suites"; exit 1; \
	fi

# A test that has two sizes takes the full one where DPATTN_AUDIT=1 is in its environment.
.PHONY: test-full
test-full: export DPATTN_AUDIT := 1
test-full: test ## all tests at their full sizes

.PHONY: clean
clean: ## remove everything that was made
	rm -rf build $(VENV)
	find audit bench bindings compare study tests -name __pycache__ -o -name '.*_cache' | xargs rm -rf
