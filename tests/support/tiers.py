"""Which part of a sweep or a family every run of the tests takes. The rest is slow: ``make test-all`` takes all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

TENTH = (10, pytest.param(1, marks=pytest.mark.slow))
"""Steps from one point of a sweep to the next: every tenth point, and every one."""


def first(now: Iterable, of: Iterable) -> list:
    """Return parameters for all values `of`, of which every run takes those that are also in `now`."""
    now, values = list(now), list(of)
    assert set(now) <= set(values), f"{set(now) - set(values)} are no parameters"
    return [value if value in now else pytest.param(value, marks=pytest.mark.slow) for value in values]


def make_slow(items: Sequence[pytest.Item], *, whole_files: bool) -> None:
    """Mark as slow what ``@pytest.mark.slow_except(ID, …)`` does not name: the variants of a test that not every run takes."""
    unknown: dict[str, set[str]] = {}
    for item in items:
        if (mark := item.get_closest_marker("slow_except")) is None:
            continue
        name, found = f"{item.path}::{item.originalname}", item.callspec.id
        unknown.setdefault(name, set(mark.args)).discard(found)
        if found not in mark.args:
            item.add_marker(pytest.mark.slow)
    if whole_files and (missing := {name: ids for name, ids in unknown.items() if ids}):
        raise pytest.UsageError(f"slow_except names variants that do not exist: {missing}")
