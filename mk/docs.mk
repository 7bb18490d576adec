# The programs and figures of README.md and docs.

.PHONY: owners
owners: build $(VENV)/ready ## compare the two rules for owners of many rows on real data: ten minutes
	$(VENV_PYTHON) bindings/python/examples/owners.py --releases 40

.PHONY: test-readme
test-readme: build $(VENV)/ready ## the programs in README.md and docs, and the links
	$(VENV_PYTHON) tests/readme.py build/readme README.md docs/c.md docs/cpp.md docs/codebook.md docs/ledger.md \
		docs/trees.md
	$(VENV_PYTHON) study/choosing.py check docs/choosing.md

.PHONY: docs
docs: build $(VENV)/ready ## run the commands of docs/choosing.md again and draw its plot
	$(VENV_PYTHON) study/choosing.py write docs/choosing.md docs/choosing.png
