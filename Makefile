# Thin targets; README names the commands behind them.
#   make demo   draw pictures, train on them, evaluate, convert, detect
#   make test   lint and tests
#   make test-proof   published networks against the libraries that they come from
# PYTHON=python3.12 names another Python for the virtual environment, SIZE=small a shorter demo,
# WORKERS=1 how many tests run side by side (as many as there are processors).

PYTHON ?= python3
SIZE ?= full
WORKERS ?= auto
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check
# Where a worker dies, what it was given waits for ever with another in its place.
TEST := $(RUN) -m pytest -W error -n $(WORKERS) --dist loadfile --max-worker-restart 0

.PHONY: demo test test-proof

demo: $(VENV)/.installed
	$(RUN) examples/demo.py --size $(SIZE)

# Most of JAX's time here goes into compiling; as in its own tests, quick compiling is enough.
test: $(VENV)/.installed-for-tests
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	KERAS_BACKEND=tensorflow $(TEST)
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(TEST) -m numerics
	KERAS_BACKEND=torch $(TEST) -m numerics

test-proof: $(VENV)/.installed-for-proof
	KERAS_BACKEND=tensorflow $(TEST) -m proof
	KERAS_BACKEND=jax $(TEST) -m proof tests/proof/test_torchvision.py -k resnet18
	KERAS_BACKEND=torch $(TEST) -m proof tests/proof/test_torchvision.py -k resnet18

# The stamps make a second run start at once; they are older than the files that changed.
$(VENV)/.installed: requirements.txt setup.py pyproject.toml | $(RUN)
	$(INSTALL) -r requirements.txt
	$(INSTALL) --quiet --no-deps -e .
	@touch $@

$(VENV)/.installed-for-tests: requirements-dev.txt requirements-backends.txt $(VENV)/.installed
	$(INSTALL) -r requirements-dev.txt -r requirements-backends.txt
	@touch $@

$(VENV)/.installed-for-proof: requirements-proof.txt $(VENV)/.installed-for-tests
	$(INSTALL) --no-deps -r requirements-proof.txt
	@touch $@

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit("$(PYTHON) is too old: name Python 3.11 or later as PYTHON=..." \
		if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
