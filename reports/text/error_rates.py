"""Error rates in words: which answer is taken for which, and how often, as natural frequencies ("1 in 7")."""

from __future__ import annotations

from dataclasses import replace

from audit.records.comparison import Change, Comparison, Comparisons, GapChange, GapEnds, Point, RateChange, Trajectory
from audit.records.finding import LeadingPair, Rate
from audit.results import AuditResult, Finding
from audit.statistics.metrics import ERROR_RATES, confused_answers
from audit.types import Better
from reports.text.numbers import count

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
    if counts is None or record is None or finding.outcome is None:
        return None
    return confused_answers(finding.metric, record.outcomes.get(finding.outcome, ()), counts.answers)


def with_error_rates(finding: Finding, audit: AuditResult) -> Finding:
    """Return a finding about two answers with its rates as error rates: 85.5 % right are 14.5 % taken for the other answer.

    Gap, intervals and verdict stay the same, since both rates add up to 1; other findings are returned unchanged.
    """
    gap, metric = finding.gap, ERROR_RATES.get(finding.metric, finding.metric)
    if metric == finding.metric or confused(finding, audit) is None:
        return finding
    if gap is not None:
        leading, open_pair = _swapped(gap.leading), _swapped(gap.open_pair)
        gap = replace(gap, highest=gap.lowest, lowest=gap.highest, leading=leading, open_pair=open_pair)
    overall, by_group = _complement(finding.overall), tuple(map(_complement, finding.by_group))
    better = _OPPOSITE[finding.better]
    return replace(finding, metric=metric, better=better, gap=gap, overall=overall, by_group=by_group, ratio_of_rest=False)


def _swapped(pair: LeadingPair | None) -> LeadingPair | None:
    return pair and replace(pair, higher=pair.lower, lower=pair.higher)


def _complement(rate: Rate) -> Rate:
    if rate.value is None or rate.low is None or rate.high is None:
        return rate
    return replace(rate, events=rate.n - rate.events, value=1 - rate.value, low=1 - rate.high, high=1 - rate.low)


# ---- the same for comparisons --------------------------------------------------------------------------------------------------------


def comparisons_as_errors(comparisons: Comparisons) -> Comparisons:
    """Return comparisons and series with rates about two answers as error rates."""
    series = (replace(one, trajectories=tuple(map(_trajectory_as_errors, one.trajectories))) for one in comparisons.series)
    return replace(comparisons, comparisons=tuple(map(comparison_as_errors, comparisons.comparisons)), series=tuple(series))


def comparison_as_errors(comparison: Comparison) -> Comparison:
    """Return a comparison with rates about two answers as error rates."""
    return replace(comparison, changes=tuple(map(change_as_errors, comparison.changes)))


def change_as_errors(change: Change) -> Change:
    """Return a change of a rate about two answers as the change of an error rate; the change of its gap and its verdict stay the same."""
    metric = ERROR_RATES.get(change.metric, change.metric)
    if metric == change.metric or change.confused is None:
        return change
    return replace(
        change, metric=metric, better=_OPPOSITE[change.better], overall=_opposite_change(change.overall),
        by_group=tuple(map(_opposite_change, change.by_group)), gap=change.gap and _opposite_gap(change.gap),
        pairs=tuple(replace(pair, first=pair.second, second=pair.first) for pair in change.pairs),
    )  # fmt: skip


def _opposite_change(cell: RateChange) -> RateChange:
    return replace(
        cell, before=_complement(cell.before), after=_complement(cell.after), gained=cell.lost, lost=cell.gained,
        difference=_minus(cell.difference), low=_minus(cell.high), high=_minus(cell.low), low_adjusted=_minus(cell.high_adjusted),
        high_adjusted=_minus(cell.low_adjusted),
    )  # fmt: skip


def _minus(difference: float | None) -> float | None:
    return None if difference is None else 0.0 - difference  # never -0.0


def _opposite_gap(gap: GapChange) -> GapChange:
    return replace(gap, before=_turned(gap.before), after=_turned(gap.after))


def _turned(ends: GapEnds) -> GapEnds:
    return replace(ends, highest=ends.lowest, lowest=ends.highest)


def _trajectory_as_errors(trajectory: Trajectory) -> Trajectory:
    metric = ERROR_RATES.get(trajectory.metric, trajectory.metric)
    if metric == trajectory.metric or trajectory.confused is None:
        return trajectory
    return replace(trajectory, metric=metric, better=_OPPOSITE[trajectory.better], points=tuple(map(_opposite_point, trajectory.points)))


def _opposite_point(point: Point) -> Point:
    rates = tuple(map(_complement, point.rates))
    return replace(point, rates=rates, overall=_complement(point.overall), gap=point.gap and _turned(point.gap))


# ---- natural frequencies -------------------------------------------------------------------------------------------------------------


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
    of, tenths = two_digits(1 / fraction), round(10 * fraction)
    return f"1 in {count(of)}" if abs(1 / of - fraction) <= abs(tenths / 10 - fraction) else f"{tenths} in 10"


def two_digits(number: float) -> int:
    """Round a number to two significant digits."""
    step: int = 10 ** max(len(str(int(number))) - 2, 0)
    return round(number / step) * step
