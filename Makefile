# Every target makes its own .venv if there is none; PYTHON is any Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# A file of pinned versions with hashes to install first (`.ci/run` gives one); without it, what pyproject.toml allows.
LOCK ?=
# Where `make check` finds tools, stubs and libraries in the versions of the lock: a release of yesterday changes no result.
PINNED := $(if $(LOCK),$(VENV),$(VENV)/pinned)
READER ?=
SECONDS ?= 900

.PHONY: demo test test-all test-profile rooms calibrate check latest fix docs gallery pictures bench fuzz compat lock audit-dependencies clean
.DEFAULT_GOAL := demo

# What is imported is compiled then: to compile every file of every package takes a minute and a half.
$(READY): export PIP_NO_COMPILE = 1
$(READY): pyproject.toml .ci/schemas.txt $(LOCK)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(LOCK),$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $(LOCK))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python --require-hashes --requirement .ci/schemas.txt
	touch $@

# Torch is the one of the environment: builds differ too much in size to have two.
$(VENV)/pinned/ready: export PIP_NO_COMPILE = 1
$(VENV)/pinned/ready: .ci/requirements.txt $(READY)
	$(BIN)/python -m venv --clear $(VENV)/pinned
	$(VENV)/pinned/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement .ci/requirements.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(VENV)/pinned/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth"
	touch $@

# What the demo needs is a small part of what development needs; where that is installed, it is not asked twice.
$(VENV)/demo-ready: export PIP_NO_COMPILE = 1
$(VENV)/demo-ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

demo: $(if $(LOCK),$(READY),$(or $(wildcard $(READY)),$(VENV)/demo-ready))  ## train the small emoji model (with a planted skew) and its balanced control, audit both, write the report
	$(BIN)/python -m contrastive.train emoji
	$(BIN)/python -m contrastive.train emoji_balanced
	$(BIN)/vlm-audit run --model runs/emoji/ckpt.pt --model runs/emoji-balanced/ckpt.pt --probe emoji --out runs/emoji-audit

# Tests are compiled once, not by each worker: collecting them takes half the time.
test test-all test-profile rooms calibrate: export PYTHONDONTWRITEBYTECODE =
# One worker more than there are cores: a quarter of the time a test waits, for a browser, a signal or a clock.
PYTEST = $(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'from audit.embedding.cores import cores; print(cores() + 1)') \
	--dist loadfile --no-loadscope-reorder -p tests.support.forked_workers

test: $(READY)  ## every behaviour once, at the lowest level that can fail, and doctests
	$(PYTEST)

test-all: $(READY)  ## everything else as well: sweeps at every point, toolchains, families of models, the site with its notebooks, simulations
	$(PYTEST) -m 'not calibration'

test-profile: $(READY)  ## `make test`, and where its CPU seconds go, by folder, file and test
	$(PYTEST) -p tests.support.cpu_seconds

rooms: $(READY)  ## the core's tests without any extension, and what is left where one is missing
	$(BIN)/python -m tests.support.rooms --numprocesses 2 --dist loadfile
	$(PYTEST) -m slow tests/test_rooms.py

calibrate: $(READY)  ## simulations of hours: planted gaps and null models in their full number, hundreds of kills
	$(PYTEST) -m calibration

check: $(PINNED)/ready  ## lint, format, types, layers, names and phrases, with the tools of the lock
	$(PINNED)/bin/ruff check .
	$(PINNED)/bin/ruff format --check .
	$(PINNED)/bin/mypy
	$(PINNED)/bin/lint-imports
	$(PINNED)/bin/python -m tests.support.house
	$(PINNED)/bin/python -m tests.support.english

latest:  ## types and tests with the newest versions that pyproject.toml allows, in .venv-latest; what moved since the lock
	rm -rf .venv-latest
	$(MAKE) VENV=.venv-latest LOCK= .venv-latest/ready
	.venv-latest/bin/python -m tests.support.moved
	.venv-latest/bin/mypy
	$(MAKE) VENV=.venv-latest LOCK= test

fix: $(READY)  ## what a machine can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## the site, in site/, with the outputs of the notebooks; a broken link, a page outside the navigation or an unknown name is an error
	$(BIN)/python -m docs.tools.notebooks
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

gallery: $(READY)  ## the sample reports in docs/samples and their page; trains the demo's models where they are missing; needs Chromium
	$(BIN)/python -m docs.tools.gallery

pictures: $(READY)  ## the pictures of README and site; needs Chromium
	$(BIN)/python -m docs.tools.screenshots

bench: $(READY)  ## one ratio a script, against a peer in the same run
	for script in benchmarks/*/*.py; do $(BIN)/python -m $$(echo $${script%.py} | tr / .) || exit 1; done

fuzz: $(READY)  ## spoiled files for each reader, or for READER=csv alone, for SECONDS each; finds go to tests/fuzz/corpus
	$(BIN)/python -m tests.fuzz.campaign $(READER) --seconds $(SECONDS)

compat: $(READY)  ## what the installed transformers loads, looks up or asks that nobody has looked at yet
	$(BIN)/python -m tests.support.compat

lock: $(READY)  ## pin anew what CI installs: every dependency but torch, for every Python and system, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --override .ci/without-torch.txt --upgrade --quiet \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --output-file .ci/requirements.txt

audit-dependencies: $(READY)  ## known holes in the pinned versions; needs the network
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --requirement .ci/requirements.txt --require-hashes --disable-pip

clean:
	rm -rf .venv .venv-latest
