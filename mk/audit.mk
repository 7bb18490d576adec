# The audit.

AUDIT := build/audit
# Libraries with one mistake each, from changed copies of the sources; --small: those of make test.
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
audit: test-full ## noise and privacy as seen from outside, with mutants, after test-full
	@$(MAKE) --no-print-directory audit-games

.PHONY: audit-games
audit-games: build $(VENV)/ready ## the audit's games and mutants alone; ONLY=codebook: those of that mechanism
	@$(MAKE) --no-print-directory $(call mutants)
	$(RUN_AUDIT) $(if $(ONLY),--only $(ONLY) --out $(AUDIT)/$(ONLY),--out $(AUDIT))

.PHONY: audit-doc
audit-doc: $(VENV)/ready ## put the figures of the last audit into docs/privacy.md; ONLY=codebook: of that part
	$(VENV_PYTHON) audit/report.py $(AUDIT)/$(if $(ONLY),$(ONLY)/)audit.json docs/privacy.md
