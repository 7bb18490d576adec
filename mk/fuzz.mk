# Fuzzing.

# Each target gets so many seconds. What they found to be worth keeping is in the testdata folders
# of the packages and in $(SURFACE_INPUTS), and `make test` runs it; so are inputs that failed.
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: fuzz-go fuzz-surface ## look for hostile files, rows and calls: FUZZ_SECONDS (60) a target

.PHONY: fuzz-go
fuzz-go: ## every fuzz target in Go: the decoders and batches of rows
	@for package in $$($(GO) list ./core/... ./capi); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_SECONDS)s -fuzzminimizetime 10x \
				$$package || exit 1; \
		done; \
	done

# libFuzzer sees both sides: clang counts coverage in C, the Go compiler in Go.
CLANG ?= clang
FUZZ := build/fuzz

.PHONY: fuzz-surface
fuzz-surface: ## the C interface under libFuzzer and the address sanitizer; root gets clang by apt-get
	@$(call apt_get,$(CLANG),clang libclang-rt-dev)
	@if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
			$(CLANG) -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then \
		$(MAKE) --no-print-directory $(FUZZ)/surface && mkdir -p $(FUZZ)/inputs && \
		$(SANITIZER_OPTIONS) $(FUZZ)/surface -max_total_time=$(FUZZ_SECONDS) -max_len=600 -len_control=0 \
			-report_slow_units=60 -print_final_stats=1 -artifact_prefix=$(FUZZ)/ $(FUZZ)/inputs $(SURFACE_INPUTS); \
	else \
		echo "fuzz: the C interface was skipped, since there is no $(CLANG) with libFuzzer here"; \
	fi

$(FUZZ)/libdpattn.a: $(SOURCES)
	@mkdir -p $(@D)
	CC=$(CLANG) $(GO) build -trimpath -asan -tags libfuzzer -gcflags=dpattn/...=-d=libfuzzer \
		-buildmode=c-archive -o $@ ./capi

$(FUZZ)/surface: tests/fuzz/surface.c tests/fuzz/fuzz.h include/dpattn.h $(FUZZ)/libdpattn.a
	$(CLANG) -g -O1 $(WARNINGS) -fsanitize=fuzzer,address,undefined -Iinclude $< $(FUZZ)/libdpattn.a -o $@ -lpthread

# What the fuzzer has found, cut down to the fewest inputs that reach the same code.
.PHONY: fuzz-keep
fuzz-keep: $(FUZZ)/surface ## put what fuzz-surface has found into the kept inputs
	rm -rf $(FUZZ)/kept && mkdir -p $(FUZZ)/kept
	$(SANITIZER_OPTIONS) $(FUZZ)/surface -set_cover_merge=1 -max_len=600 $(FUZZ)/kept $(SURFACE_INPUTS) $(FUZZ)/inputs
	rm -rf $(SURFACE_INPUTS) && cp -r $(FUZZ)/kept $(SURFACE_INPUTS)
