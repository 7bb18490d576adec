# The audit.

AUDIT := build/audit
# Libraries with one mistake each, from changed copies of the sources. $(call mutants,--small): those for make test.
mutants = $(addsuffix /$(LIBRARY),$(addprefix $(AUDIT)/mutants/,$(shell $(PYTHON) audit/mutants.py $(1))))
RUN_AUDIT = $(VENV_PYTHON) audit/audit.py --library build/$(LINK_NAME) --mutants $(AUDIT)/mutants

$(AUDIT)/mutants/%/$(LIBRARY): $(SOURCES) audit/mutants.py
	$(PYTHON) audit/mutants.py $* $(@D)
	$(call build_library,$(@D),$(GO) build -overlay $(@D)/overlay.json)

.PHONY: test-audit
test-audit: build $(VENV)/ready ## the audit at its small size: the cheap mutants, few releases
	$(VENV_PYTHON) -m pytest -q audit
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
	$(VENV_PYTHON) audit/report.py $(AUDIT)/audit.json docs/privacy.md
