"""Which values of a file decide something: findings, verdicts and gates. Where one was not recomputed, nothing is called verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from verify.ledger import Path

KINDS = {
    ("audits", "verdict"): "verdict", ("audits", "findings", "verdict"): "finding", ("audits", "effects", "verdict"): "finding",
    ("audits", "effects", "p"): "finding",
    ("paired_models", "comparisons", "verdict"): "verdict", ("paired_models", "comparisons", "changes", "verdict"): "finding",
    ("comparisons", "verdict"): "verdict", ("comparisons", "changes", "verdict"): "finding",
    ("gates", "outcome"): "gate",
}  # fmt: skip
"""Field -> what it decides. The verdict of a finding is recomputed with all of its numbers, that of a question about scores or a trend
may be taken from recorded effects: these are recomputed if its p is. Exploratory ones decide nothing."""


def undecided(facts: Mapping[str, Any], unchecked: Iterable[Path]) -> dict[str, int]:
    """Kind -> how many findings, verdicts and gates of a file were not recomputed."""
    places = {(KINDS[names], path[:-1]) for path in unchecked if (names := _names(path)) in KINDS and _counts(facts, path)}
    return dict(sorted(Counter(kind for kind, _ in places).items()))


def _names(path: Path) -> tuple[str, ...]:
    return tuple(part for part in path if isinstance(part, str))


def _counts(facts: Mapping[str, Any], path: Path) -> bool:
    if "effects" not in path:
        return True
    question: Any = facts
    for part in path[:-1]:
        question = question[part]
    return bool(question.get("primary", True))


def counted(kinds: Mapping[str, int]) -> str:
    """The numbers in words.

    >>> counted({"finding": 2, "gate": 1})
    '2 findings and 1 gate'
    """
    parts = [f"{number:,} {kind}{'s' * (number != 1)}" for kind, number in kinds.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
