# The tests of the C and C++ interfaces, plain and under sanitizers.

WARNINGS := -Wall -Wextra -Wpedantic -Werror
TEST_CFLAGS := -std=c99 -D_XOPEN_SOURCE=700 -O1 -g $(WARNINGS) -Wconversion -Iinclude
# $(call with_library,FOLDER): link with the library there, and find it there.
with_library = -L$(1) -ldpattn "-Wl,-rpath,$(CURDIR)/$(1)"

# Programs of their own: late.c loads the library at run time, memory.c measures itself, repeats.c
# starts itself many times. error.c is tested by itself, too.
ABI_TESTS := $(filter-out %/late.c %/memory.c %/repeats.c %/header.c,$(wildcard tests/abi/*.c)) capi/error.c
ABI_HEADERS := $(wildcard tests/abi/*.h capi/*.h) include/dpattn.h

.PHONY: test-abi
test-abi: $(addprefix build/tests/,abi late guest.so host memory repeats) ## the tests of the C interface
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

# The same tests where both sides are watched: the C side by the address and undefined-behaviour
# sanitizers, the Go side by the address sanitizer and by the checks of what C and Go pass each
# other. The leak check knows nothing of pointers that Go holds, and Go handles SIGSEGV itself.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZER_OPTIONS := ASAN_OPTIONS=detect_leaks=0:handle_segv=0
# Inputs that a fuzzer found to reach different code, one file each, and how many random ones join.
SURFACE_INPUTS := tests/fuzz/surface
SURFACE_RANDOM := 100

.PHONY: test-asan
test-asan: ## the tests in C and C++ and the kept inputs of the fuzzer, under sanitizers where there are some
	@if echo 'int main(void) { return 0; }' | $(CC) $(SANITIZE) -x c - -o /dev/null 2>/dev/null; then \
		$(MAKE) --no-print-directory asan-surface asan-abi asan-cpp; \
	else \
		echo "asan: skipped, since $(CC) has no sanitizers here"; \
	fi

# Apart, so that make -j runs them side by side.
.PHONY: asan-abi asan-cpp asan-surface
asan-abi asan-cpp asan-surface: asan-%: build/asan/%
	$(SANITIZER_OPTIONS) $< $(if $(filter surface,$*),$(SURFACE_RANDOM) $(SURFACE_INPUTS)/*)

build/asan/$(LIBRARY): $(SOURCES)
	$(call build_library,build/asan,GOEXPERIMENT=cgocheck2 $(GO) build -asan)

build/asan/abi: $(ABI_TESTS) $(ABI_HEADERS) build/asan/$(LIBRARY)
	$(CC) $(SANITIZE) -DWITH_SANITIZERS $(TEST_CFLAGS) $(ABI_TESTS) -o $@ $(call with_library,build/asan) -lm -lpthread

build/asan/surface: $(wildcard tests/fuzz/*.[ch]) include/dpattn.h build/asan/$(LIBRARY)
	$(CC) $(SANITIZE) $(TEST_CFLAGS) tests/fuzz/main.c tests/fuzz/surface.c -o $@ $(call with_library,build/asan)

CPP_FLAGS := -g $(WARNINGS) -Iinclude -Ibindings/cpp
CPP_TESTS := $(wildcard tests/cpp/*.cpp)
CPP_HEADERS := include/dpattn.h $(wildcard bindings/cpp/*.hpp bindings/cpp/dpattn/*.hpp tests/cpp/*.hpp)

.PHONY: test-cpp
test-cpp: build/tests/cpp17 build/tests/cpp20 build/tests/example17 build/tests/example20 ## the tests in C++
	build/tests/cpp17
	build/tests/cpp20
	build/tests/example17
	build/tests/example20

# $(call cpp_program,PROGRAM,STANDARD,FLAGS,FOLDER of the library): an object a source, so that make
# -j builds them side by side.
define cpp_program
$(1).o/%.o: tests/cpp/%.cpp $(CPP_HEADERS)
	@mkdir -p $$(@D)
	$(CXX) -std=c++$(2) $(3) $(CPP_FLAGS) -c $$< -o $$@

$(1): $(patsubst tests/cpp/%.cpp,$(1).o/%.o,$(CPP_TESTS)) $(4)/$(LIBRARY)
	$(CXX) $(3) $$(filter %.o,$$^) -o $$@ $(call with_library,$(4)) -lpthread
endef
# Optimised once, for the warnings that need it: with sanitizers it would take a minute.
$(eval $(call cpp_program,build/tests/cpp17,17,-O1,build))
$(eval $(call cpp_program,build/tests/cpp20,20,,build))
$(eval $(call cpp_program,build/asan/cpp,17,$(SANITIZE),build/asan))

build/tests/example%: bindings/cpp/example.cpp $(CPP_HEADERS) build/$(LIBRARY)
	@mkdir -p $(@D)
	$(CXX) -std=c++$* $(CPP_FLAGS) $< -o $@ $(call with_library,build)
