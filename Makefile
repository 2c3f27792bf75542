# Every target makes its own .venv if there is none; PYTHON is any Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test check fix docs gallery pictures bench clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(READY)  ## train the small emoji model (with a planted skew) and its balanced control, audit both, write the report
	$(BIN)/python -m contrastive.train emoji
	$(BIN)/python -m contrastive.train emoji_balanced
	$(BIN)/python -m audit.run --model runs/emoji/ckpt.pt --model runs/emoji-balanced/ckpt.pt --probe emoji --out runs/emoji-audit

test: $(READY)  ## every test, doctests included
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: $(READY)  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY)  ## what a machine can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## the site, in site/; a broken link or an unknown name is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

gallery: $(READY)  ## four sample reports for the site, in runs/gallery; trains the demo's models where they are missing
	$(BIN)/python -m docs.tools.gallery

pictures: $(READY)  ## the pictures of README and site; needs Chromium
	$(BIN)/python -m docs.tools.pictures

bench: $(READY)  ## one ratio a script, against a peer in the same run
	for script in benchmarks/*/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv
