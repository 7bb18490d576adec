# Formatting, linters, types, and generated files.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PYTHON_CODE := bindings/python tests bench audit compare study capi/_gen

.PHONY: check
check: ## formatting, vet on every architecture, linters, types, generated files, lines
	@if $(MAKE) --no-print-directory $(SIDE_BY_SIDE) check-go check-generated check-python check-c check-lines; then \
		echo "make check: all good, in $$SECONDS s"; \
	else \
		echo "make check: failed; the lines with *** name the parts"; exit 1; \
	fi

.PHONY: check-go
check-go:
	@unformatted=$$(gofmt -l bench capi compare core simd tests); \
		[ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	for arch in amd64 arm64 riscv64; do CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) vet ./core/... ./simd/...; done
	$(GO) run $(STATICCHECK) ./...

.PHONY: check-c
check-c:
	$(CC) -std=c99 $(WARNINGS) -Iinclude -fsyntax-only tests/abi/header.c
	$(CXX) -std=c++17 $(WARNINGS) -Iinclude -fsyntax-only -x c++ tests/abi/header.c

.PHONY: check-python
check-python: $(VENV)/ready
	$(VENV)/bin/ruff check --quiet --config bindings/python/pyproject.toml $(PYTHON_CODE)
	$(VENV)/bin/ruff format --quiet --check --config bindings/python/pyproject.toml $(PYTHON_CODE)
	cd bindings/python && ../../$(VENV)/bin/mypy

.PHONY: check-lines
check-lines: $(VENV)/ready ## prose has at most 100 columns, code 120
	$(VENV_PYTHON) -m pytest -q tests/test_lines.py
	$(VENV_PYTHON) tests/lines.py

# $(call regenerate,FOLDER): run the generators in that tree: of assembly, which write beside
# themselves, and of what mirrors dpattn.h.
define regenerate
cd $(1)/simd/_asm && $(GO) run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -tables ../tables_amd64.go -pkg simd
cd $(1)/simd/_asm && $(GO) run ./neon -out ../kernels_arm64.s -stubs ../kernels_arm64.go -tables ../tables_arm64.go
cd $(1)/bench/probe/_asm && $(GO) run . -out ../probe_amd64.s -stubs ../stubs_amd64.go -pkg probe
$(VENV_PYTHON) capi/_gen/generate.py $(1)
endef

.PHONY: generate
generate: $(VENV)/ready ## write the generated kernels and mirrors of dpattn.h anew
	$(call regenerate,.)

# The underscore keeps the copy out of ./... patterns.
.PHONY: check-generated
check-generated: $(VENV)/ready ## the committed kernels and mirrors are what their generators write
	rm -rf build/_generated
	mkdir -p build/_generated/bench build/_generated/bindings/python/dpattn/_c
	cp -r simd capi include build/_generated
	cp -r bench/probe build/_generated/bench/probe
	$(call regenerate,build/_generated)
	diff -r simd build/_generated/simd
	diff -r bench/probe build/_generated/bench/probe
	diff -r capi build/_generated/capi
	diff bindings/python/dpattn/_c/abi.py build/_generated/bindings/python/dpattn/_c/abi.py
