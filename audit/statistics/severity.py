"""Which finding leads: what harms people comes before what is merely unequal. An order of codes and numbers; it changes neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from typing import Literal, TypeVar

from audit.records.base import FindingVerdict
from audit.records.finding import ClaimResult

_WORST_FIRST: dict[FindingVerdict, int] = {
    "disparity": 0, "signal": 1, "inconclusive": 2, "equivalent": 3, "no signal": 4, "not estimable": 5,
}  # fmt: skip
Criterion = Literal["rank", "diffuse", "harm", "age", "size"]
"""What decides which of two disparities leads."""
_CRITERIA: tuple[Criterion, ...] = ("rank", "diffuse", "harm", "age", "size", "size")
_FEWEST_CLASSES = 3
"""With two labels, both recalls are planned because opposite errors cancel in the accuracy: either may lead."""
F = TypeVar("F", bound=ClaimResult)
_WORD = re.compile(r"[a-z]+")


def by_severity(finding: ClaimResult) -> tuple[float, ...]:
    """Sort key: disparities first, in the order of the headline; then the others, by p and size.

    The order of the headline (docs/reading.md): the ranks that the probe declared; differences of named groups before diffuse ones; the
    kind of harm (`_harm`); age after other attributes, since everyone passes through every age; those beyond their tolerance; the lower
    bound as a multiple of the tolerance, which says more than how certain it is that a difference is not 0.
    """
    gap = finding.gap
    if gap is None:
        return (_WORST_FIRST[finding.verdict],)
    size = gap.value if gap.leading is None else gap.leading.difference
    if finding.verdict not in ("disparity", "signal"):
        return (_WORST_FIRST[finding.verdict], gap.p_adjusted, -size)
    return (_WORST_FIRST[finding.verdict], *_headline_key(finding), gap.p_adjusted, -size)


def worst_first(findings: Iterable[F]) -> list[F]:
    """The findings of one audit in the order of `by_severity`, but a class follows the accuracy over all unless it clearly stands out.

    Among three or more classes that are recognised about equally badly, one has the largest gap by chance; to name it first would blame
    a class for what holds of all. It stays first if even the lower bound of its gap is above the gap in accuracy, or if another group is
    worst off.
    """
    found = list(findings)
    whole_of: dict[str, tuple[float, ...]] = {}
    for whole in found:
        if whole.metric == "accuracy" and whole.verdict in ("disparity", "signal"):
            classes = [finding for finding in found if _is_class_of(whole, finding)]
            if len(classes) >= _FEWEST_CLASSES:
                whole_of |= {each.id: by_severity(whole) for each in classes if not _stands_out(each, whole)}

    def place(finding: F) -> tuple[object, ...]:
        own = by_severity(finding)
        after = max(own, whole_of.get(finding.id, own))
        return (after, own < after, own)

    return sorted(found, key=place)


def _is_class_of(whole: ClaimResult, finding: ClaimResult) -> bool:
    """Whether a finding is about the recall of one class, by the attributes of the accuracy `whole`."""
    of_same = (finding.measurement, finding.attributes) == (whole.measurement, whole.attributes)
    return of_same and finding.metric == "true_positive_rate"


def _stands_out(finding: ClaimResult, whole: ClaimResult) -> bool:
    if finding.gap is None or whole.gap is None:
        return False
    return finding.gap.low > whole.gap.value or finding.gap.lowest != whole.gap.lowest


def decisive(first: ClaimResult, second: ClaimResult) -> Criterion:
    """Return what puts the first of two disparities before the second."""
    pairs = zip(_CRITERIA, _headline_key(first), _headline_key(second), strict=True)
    return next((criterion for criterion, one, other in pairs if one != other), "size")


def _headline_key(finding: ClaimResult) -> tuple[float, ...]:
    """Return the sort key of disparities, one number per criterion."""
    lead = inf if finding.lead is None else finding.lead
    by_age = any("age" in _WORD.findall(name.lower()) for name in finding.attributes)
    at_least = finding.gap.low / (finding.tolerance or 1.0) if finding.gap else 0.0
    return (lead, finding.diffuse, _harm(finding), by_age, not finding.exceeds_tolerance, -at_least)


def _harm(finding: ClaimResult) -> int:
    """Return 0 for an answer that is bad to get, 1 for wrong answers and for a good answer withheld, 2 if no side is worse off."""
    if finding.better == "low" and finding.metric in ("selection_rate", "rate_among_answered"):
        return 0
    return 2 if finding.better == "neither" else 1
