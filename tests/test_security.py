"""SECURITY.md: every function and every test that its inventory names exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACE, BOUND, TEST = range(3)
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| determined by", "| file |"))
]
NAMING = ROWS[: next(number for number, row in enumerate(ROWS) if row[PLACE].startswith("links, pipes and the number of files"))]
"""Files, and what they may name; the other rows are the inventory."""
INVENTORY = ROWS[len(NAMING) :]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def named(dotted):
    """Return what a dotted name stands for: a module, or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"no module {dotted}")


def test_there_is_an_inventory():
    assert len(INVENTORY) > 50
    assert all(len(row) == 3 and quoted(row[BOUND]) and quoted(row[TEST]) for row in INVENTORY)
    assert len(NAMING) > 10
    assert all(len(row) == 3 and quoted(row[TEST]) for row in NAMING)


@pytest.mark.parametrize("row", ROWS, ids=[row[PLACE] for row in ROWS])
def test_what_a_row_names_exists(row):
    cells = [name for cell in (row[BOUND:] if row in INVENTORY else row[TEST:]) for name in quoted(cell)]
    for name in (name for name in cells if not name.startswith("tests/")):
        assert callable(named(name)), name
    for name in (name for name in cells if name.startswith("tests/")):
        path, _, function = name.partition("::")
        assert (ROOT / path).is_file(), path
        assert f"def {function or 'test_'}" in (ROOT / path).read_text("utf-8"), name
