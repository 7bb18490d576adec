# The tests in Go.

# Where goroutines share memory. The detector sees no others, since it costs a factor of ten.
RACE_PACKAGES := ./capi ./core/internal/parallel
RACE_TESTS := -run 'Concurrent|Threads|Race' ./core/dptree ./core/moment ./core/noise

.PHONY: test-go
test-go: ## the tests in Go
	$(GO) test -timeout 30m $(if $(DPATTN_AUDIT),-count=1) ./...
	@$(GO) test -count=1 -v -run TestKernelSets ./simd | grep 'sets of kernels checked'
	$(GO) test -race $(RACE_PACKAGES)
	$(GO) test -race $(RACE_TESTS)

# The arm64 kernels, and what must come out the same on every machine, where there is an emulator.
QEMU_ARM64 := qemu-aarch64

.PHONY: test-arm64
test-arm64: ## the arm64 kernels under qemu-user, which root gets by apt-get
	@$(call apt_get,$(QEMU_ARM64),qemu-user)
	@if command -v $(QEMU_ARM64) >/dev/null; then \
		export CGO_ENABLED=0 GOOS=linux GOARCH=arm64; \
		$(GO) test -exec $(QEMU_ARM64) ./simd && \
		$(GO) test -exec $(QEMU_ARM64) -run OnEveryMachine ./core/moment ./core/codebook; \
	else \
		echo "arm64: skipped, since there is no $(QEMU_ARM64) here (it is in the package qemu-user)"; \
	fi
	cd simd/_asm && $(GO) test ./neon

.PHONY: test-extending
test-extending: $(VENV)/ready ## add a mechanism to a copy of the tree, as docs/extending.md says, and use it
	GO="$(GO)" CC="$(CC)" $(VENV_PYTHON) tests/extending/extending.py build/_extending
