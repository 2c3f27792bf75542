"""Which part of a sweep or a family every run of the tests takes. The rest is slow: ``make test-all`` takes all of it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

TENTH = (10, pytest.param(1, marks=pytest.mark.slow))
"""Steps from one point of a sweep to the next: every tenth point, and every one."""


def first(now: Iterable, of: Iterable) -> list:
    """Return parameters for all values `of`, of which every run takes those that are also in `now`."""
    now, values = list(now), list(of)
    assert set(now) <= set(values), f"{set(now) - set(values)} are no parameters"
    return [value if value in now else pytest.param(value, marks=pytest.mark.slow) for value in values]


UNKNOWN = pytest.StashKey[set[str]]()


def make_slow(items: Sequence[pytest.Item], *, whole_files: bool) -> None:
    """Mark as slow what ``@pytest.mark.slow_except(ID, …)`` does not name: the variants of a test that not every run takes."""
    named = [(item, mark.args) for item in items if (mark := item.get_closest_marker("slow_except"))]
    unknown: dict[tuple[Path, str], set[str]] = {}
    for item, ids in named:
        unknown.setdefault((item.path, item.originalname), set(ids)).discard(item.callspec.id)
    for item, ids in named:
        if whole_files and (missing := unknown[item.path, item.originalname]):
            item.stash[UNKNOWN] = missing
        elif item.callspec.id not in ids:
            item.add_marker(pytest.mark.slow)


def check_named(item: pytest.Item) -> None:
    """Fail a test some of whose named variants do not exist: under their new names they would be slow, and nobody would notice."""
    if missing := item.stash.get(UNKNOWN, None):
        pytest.fail(f"slow_except names variants that do not exist: {sorted(missing)}")


def in_another_order(items: Sequence[pytest.Item], number: int) -> list[pytest.Item]:
    """Return the tests with the files shuffled, and the tests of each file; equal numbers give equal orders, as every worker needs."""
    draw, of_file = random.Random(number), defaultdict(list)
    for item in items:
        of_file[item.path].append(item)
    paths = list(of_file)
    draw.shuffle(paths)
    return [item for path in paths for item in draw.sample(of_file[path], len(of_file[path]))]
