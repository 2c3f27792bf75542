"""Error rates in words: which answer is taken for which, and how often, as natural frequencies ("1 in 7")."""

from __future__ import annotations

from dataclasses import replace

from audit.records.finding import LeadingPair, Rate
from audit.results import AuditResult, Finding
from audit.types import UNKNOWN, Better
from reports.text.numbers import count

_ERRORS = {
    "true_positive_rate": "false_negative_rate",
    "true_negative_rate": "false_positive_rate",
    "false_negative_rate": "false_negative_rate",
    "false_positive_rate": "false_positive_rate",
}
"""Rates given the true answer, and the error rate that says the same if there are two answers."""
_OPPOSITE: dict[Better, Better] = {"high": "low", "low": "high", "neither": "neither"}
_WRONG = {"accuracy": " wrong", "true_positive_rate": " missed"}
"""What an image is that is not an event, for rates that are good to have."""
_NEARLY = 0.95


def confused(finding: Finding, audit: AuditResult) -> tuple[str, str] | None:
    """Return the true answer and the answer it is taken for, if the finding is about errors and these are the only two answers.

    Which answers occur, true ones included, is known from the counts; without them the rate keeps its technical name.
    """
    counts = next((record for record in audit.counts if record.measurement == finding.measurement), None)
    record = next((record for record in audit.measurements if record.name == finding.measurement), None)
    if counts is None or record is None or finding.outcome is None or finding.metric not in _ERRORS:
        return None
    inside = record.outcomes.get(finding.outcome, ())
    outside = [answer for answer in counts.answers if answer not in (*inside, UNKNOWN)]
    if len(inside) != 1 or len(outside) != 1:
        return None
    pair = inside[0], outside[0]
    return pair if _ERRORS[finding.metric] == "false_negative_rate" else pair[::-1]


def as_errors(finding: Finding, audit: AuditResult) -> Finding:
    """Return a finding about two answers with its rates as error rates: 85.5 % right are 14.5 % taken for the other answer.

    Gap, intervals and verdict stay the same, since both rates add up to 1; other findings are returned unchanged.
    """
    gap, metric = finding.gap, _ERRORS.get(finding.metric, finding.metric)
    if metric == finding.metric or confused(finding, audit) is None:
        return finding
    if gap is not None:
        leading, open_pair = _swapped(gap.leading), _swapped(gap.open_pair)
        gap = replace(gap, highest=gap.lowest, lowest=gap.highest, leading=leading, open_pair=open_pair)
    overall, by_group = _complement(finding.overall), tuple(map(_complement, finding.by_group))
    return replace(finding, metric=metric, better=_OPPOSITE[finding.better], gap=gap, overall=overall, by_group=by_group)


def _swapped(pair: LeadingPair | None) -> LeadingPair | None:
    return pair and replace(pair, higher=pair.lower, lower=pair.higher)


def _complement(rate: Rate) -> Rate:
    if rate.value is None or rate.low is None or rate.high is None:
        return rate
    return replace(rate, events=rate.n - rate.events, value=1 - rate.value, low=1 - rate.high, high=1 - rate.low)


def frequency(rate: Rate, metric: str) -> str:
    """Return how often the unwanted happens as a natural frequency: ``1 in 7``, ``1 in 10 wrong``; empty if the metric has no words."""
    if rate.value is None or metric in ("precision", "true_negative_rate"):
        return ""
    often = one_in(1 - rate.value if metric in _WRONG else rate.value).replace(" ", "\u00a0")  # on one line
    return often + _WRONG.get(metric, "")


def one_in(fraction: float) -> str:
    """Format a fraction as a natural frequency: as one in a whole number or in tenths, whichever is nearer.

    Examples
    --------
    >>> one_in(0.145), one_in(0.025), one_in(0.0058), one_in(0.73), one_in(0.0), one_in(0.98)
    ('1 in 7', '1 in 40', '1 in 170', '7 in 10', 'none', 'nearly all')
    """
    if fraction <= 0 or fraction > _NEARLY:
        return "none" if fraction <= 0 else "all" if fraction >= 1 else "nearly all"
    of, tenths = _two_digits(1 / fraction), round(10 * fraction)
    return f"1 in {count(of)}" if abs(1 / of - fraction) <= abs(tenths / 10 - fraction) else f"{tenths} in 10"


def _two_digits(number: float) -> int:
    step: int = 10 ** max(len(str(int(number))) - 2, 0)
    return round(number / step) * step
