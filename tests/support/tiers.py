"""Which part of a sweep or a family every run of the tests takes. The rest is slow: ``make test-all`` takes all of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

TENTH = (10, pytest.param(1, marks=pytest.mark.slow))
"""Steps from one point of a sweep to the next: every tenth point, and every one."""


def first(now: Iterable, of: Iterable) -> list:
    """Return parameters for all values `of`, of which every run takes those that are also in `now`."""
    now, values = list(now), list(of)
    assert set(now) <= set(values), f"{set(now) - set(values)} are no parameters"
    return [value if value in now else pytest.param(value, marks=pytest.mark.slow) for value in values]
