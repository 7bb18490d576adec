# The paper's structures against the moment release.

COMPARE := build/compare

.PHONY: compare
compare: $(VENV)/ready ## measure the paper's structures into build/compare: five minutes, or one with QUICK=1
	@mkdir -p $(COMPARE)
	$(GO) build -trimpath -o $(COMPARE)/compare ./compare
	$(COMPARE)/compare -out $(COMPARE)/compare.json $(if $(QUICK),-quick)
	$(VENV_PYTHON) compare/compare.py $(COMPARE)/compare.json

.PHONY: compare-doc
compare-doc: $(VENV)/ready ## put the figures of build/compare/compare.json into docs/paper.md and docs/trees.md
	$(VENV_PYTHON) compare/compare.py $(COMPARE)/compare.json docs/paper.md docs/trees.md
