# Python: the environment, the wheel, the tests.

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
PIP_INSTALL := $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check

$(VENV)/ready: bindings/python/pyproject.toml bindings/python/requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -r bindings/python/requirements-dev.txt
	$(PIP_INSTALL) -e 'bindings/python[test,demo]'
	touch $@

$(VENV)/ready-wheel: bindings/python/requirements-wheel.txt $(VENV)/ready
	$(PIP_INSTALL) -r $<
	touch $@

# On Linux auditwheel says which machines the wheel runs on, and names it after them: it refuses one
# that needs more than it says.
.PHONY: wheel
wheel: build $(VENV)/ready-wheel ## the Python wheel and source distribution, in build/dist
	rm -rf build/dist build/wheel
	cd bindings/python && MAKEFLAGS= ../../$(VENV_PYTHON) -m hatchling build -d ../../build/wheel
	mkdir -p build/dist
	mv build/wheel/*.tar.gz build/dist
ifeq ($(TARGET),linux)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV_PYTHON) -m auditwheel repair -w build/dist build/wheel/*.whl
	$(VENV_PYTHON) -m auditwheel show build/dist/*.whl
else
	mv build/wheel/*.whl build/dist
endif

# torch, and no CUDA (tests/torch_without_cuda.py says how); should that fail one day, torch with
# everything. Behind the tools of the wheel, since two runs of pip in one environment may clash.
$(VENV)/ready-torch: | $(VENV)/ready-wheel
$(VENV)/ready-torch: bindings/python/requirements-torch.txt tests/torch_without_cuda.py $(VENV)/ready
	$(PIP_INSTALL) --no-deps -r $<
	$(VENV_PYTHON) tests/torch_without_cuda.py || \
		$(PIP_INSTALL) "$$(grep '^torch==' $<)"
	touch $@

.PHONY: test-python
test-python: build $(VENV)/ready-torch ## the tests in Python
	DPATTN_LIBRARY="$(CURDIR)/build/$(LINK_NAME)" $(VENV_PYTHON) -m pytest -q tests/python

.PHONY: test-wheel
test-wheel: wheel ## the wheel and the source distribution, away from the checkout
	MAKEFLAGS= $(PYTHON) tests/wheel.py build/dist
