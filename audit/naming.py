"""Names that are stable between runs, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.types import Claim

NEAR_DUPLICATE = "near_duplicate_of"
"""Column of a data set: the training image that an image is a near duplicate of, "" if none."""


def finding_id(measurement: str, claim: Claim) -> str:
    """The stable name of the finding for `claim`.

    Examples
    --------
    >>> from audit.types import Claim
    >>> finding_id("harm-21", Claim("selection_rate", ("race", "gender"), "non-human"))
    'harm-21/selection_rate[non-human]/race x gender'
    """
    outcome = f"[{claim.outcome}]" if claim.outcome else ""
    return f"{measurement}/{claim.metric}{outcome}/{' x '.join(claim.by)}"


def order_name(measurement: str) -> str:
    """Name of the measurement that tests whether answers stay the same when the options are shuffled."""
    return f"{measurement}: order"


def instruction_name(measurement: str) -> str:
    """Name of the measurement that tests whether answers stay the same with another instruction."""
    return f"{measurement}: instruction"


def repeats_name(measurement: str) -> str:
    """Name of the measurement that tests whether answers stay the same when the questions are repeated."""
    return f"{measurement}: repeats"


ASKINGS = (order_name, instruction_name, repeats_name)
"""Measurements that compare two ways to pose one question are about the model's answers, not about the images."""


def levels_of(attributes: Sequence[str], groups: Sequence[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Attribute -> its levels, in the order of the groups of the combined attributes."""
    return {name: tuple(dict.fromkeys(group[position] for group in groups)) for position, name in enumerate(attributes)}


def unique_names(names: Sequence[str], folders: Sequence[str]) -> tuple[str, ...]:
    """Make names unique: duplicates get their folder or, if that is not enough, a number.

    Examples
    --------
    >>> unique_names(["ckpt.pt", "ckpt.pt", "other"], ["seed0", "seed1", ""])
    ('ckpt.pt (seed0)', 'ckpt.pt (seed1)', 'other')
    >>> unique_names(["fake", "fake"], ["", ""])
    ('fake #1', 'fake #2')
    """
    shown = [f"{name} ({folder})" if folder and names.count(name) > 1 else name for name, folder in zip(names, folders, strict=True)]
    return tuple(name if shown.count(name) == 1 else f"{name} #{number}" for number, name in enumerate(shown, 1))


def natural_order(levels: Iterable[str]) -> tuple[str, ...]:
    """Sort levels by the numbers in them, if any: "3-9" before "10-19".

    Examples
    --------
    >>> natural_order({"10-19", "3-9", "more than 70"})
    ('3-9', '10-19', 'more than 70')
    """
    return tuple(sorted(levels, key=_numbers_by_value))


def _numbers_by_value(text: str) -> tuple[list[tuple[bool, int, str]], str]:
    parts = [part for part in re.split(r"([0-9]+)", text) if part]
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts], text
