# The benchmark.

BENCH := build/bench

.PHONY: bench
bench: bench-programs $(VENV)/ready-bench ## measure everything into build/bench.json: five minutes, or one with QUICK=1
	$(VENV_PYTHON) bench/bench.py --build $(BENCH) --out build/bench.json $(if $(QUICK),--quick)

.PHONY: bench-doc
bench-doc: $(VENV)/ready-bench ## put the figures of build/bench.json into docs/performance.md and its plot
	$(VENV_PYTHON) bench/report.py build/bench.json docs/performance.md

$(VENV)/ready-bench: bench/requirements.txt $(VENV)/ready
	$(PIP_INSTALL) -r $<
	touch $@

.PHONY: bench-programs
bench-programs: build $(BENCH)/flash.so $(BENCH)/call
	$(GO) build -trimpath -o $(BENCH)/samples ./bench/samples

$(BENCH)/flash.so: bench/flash.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O3 -march=native $(WARNINGS) -shared -fPIC -pthread $< -o $@ -lm

$(BENCH)/call: bench/call.c include/dpattn.h build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 $(WARNINGS) -Iinclude $< -o $@ $(call with_library,build)
