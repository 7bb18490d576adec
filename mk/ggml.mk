# Private attention in graphs of ggml.

# A ggml from a package registry, where it has one for this machine, or the one in GGML=/usr/local.
GGML ?= build/ggml/libggml
GGML_LIB = $(firstword $(wildcard $(GGML)/lib64 $(GGML)/lib))
with_ggml = -Ibindings/ggml -isystem "$(GGML)/include" -L"$(GGML_LIB)" -lggml-cpu -lggml-base \
	"-Wl,-rpath,$(abspath $(GGML_LIB))" -lm
GGML_PROGRAMS := build/tests/ggml-graph build/tests/ggml-example build/tests/ggml-kv

.PHONY: ggml
ggml: build $(VENV)/ready ## private attention in graphs of a real ggml, which pip gets: the example and the tests
	@if [ "$(origin GGML)" != file ] || $(MAKE) --no-print-directory build/ggml/ready; then \
		$(MAKE) --no-print-directory test-ggml; \
	else \
		echo "ggml: skipped, since the package registry gave none for this machine; GGML=FOLDER names another"; \
	fi

build/ggml/ready: bindings/ggml/requirements.txt
	rm -rf $(@D)
	$(PIP_INSTALL) --only-binary :all: --no-deps --target $(@D) -r $<
	touch $@

.PHONY: test-ggml
test-ggml: $(GGML_PROGRAMS)
	$(CC) -std=c99 $(WARNINGS) -Iinclude $(with_ggml) -fsyntax-only tests/ggml/header.c
	$(CXX) -std=c++17 $(WARNINGS) -Iinclude $(with_ggml) -fsyntax-only -x c++ tests/ggml/header.c
	build/tests/ggml-graph build/$(LINK_NAME)
	build/tests/ggml-example
	build/tests/ggml-kv

$(GGML_PROGRAMS): include/dpattn.h bindings/ggml/dpattn-ggml.h build/$(LIBRARY)

build/tests/ggml-graph: tests/ggml/graph.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g $(WARNINGS) -Wconversion -Iinclude $< -o $@ $(with_ggml) -ldl -lpthread

build/tests/ggml-example build/tests/ggml-kv: build/tests/ggml-%: bindings/ggml/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g $(WARNINGS) -Wconversion -Iinclude $< -o $@ $(call with_library,build) $(with_ggml)
