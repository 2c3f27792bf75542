"""Sentences that say why a change, a comparison or a series has its verdict. "Undecided" never becomes "repaired"."""

from __future__ import annotations

from audit.records.comparison import Change, Comparison, GapChange, GapEnds, RateChange, Series, Trajectory
from audit.types import Settings
from reports.text import phrases
from reports.text.comparison import at_step, in_rate, models_noun, outcome
from reports.text.missing_truth import MISSING, MISSING_TAG, change_missing_sentence
from reports.text.numbers import count, exact_points, in_words, number, p_phrase, p_value, percent, points, span
from reports.text.reasons import LIMITED, not_compared, pairs_phrase, too_few_groups

_COUNTED: tuple[tuple[str, str, str], ...] = (
    ("gap reversed", "1 is reversed", "{} are reversed"),
    ("gap grew", "1 grew", "{} grew"),
    ("gap shrank", "1 shrank", "{} shrank"),
    ("inconclusive", "1 is undecided", "{} are undecided"),
    ("equivalent", "1 did not change by more than its tolerance", "{} did not change by more than their tolerance"),
    ("not estimable", "1 cannot be estimated", "{} cannot be estimated"),
)


_LEVELLED = {
    "levelled down": "Levelled down: the gap shrank because the best group got worse; no improvement of the worst is detected.",
    "partly levelled down": "Partly levelled down: the gap shrank because the worst group improved and because the best got worse.",
}


def reason(change: Change, comparison: Comparison, settings: Settings) -> str:
    """Say why a change has its verdict, which groups' rates changed, and which groups and images the verdict does not cover."""
    reasons = [LIMITED] if comparison.limited else []
    if change.gap is None:
        reasons.append(
            too_few_groups(
                [cell.before for cell in change.by_group], settings, clusters=change.overall.before.clusters is not None, counted=""
            )
        )
    else:
        reasons += [_measured(change, change.gap), *_explained(change, change.gap, comparison, settings), *_moved(change, settings.alpha)]
    reasons += not_compared([cell.before for cell in change.by_group])
    return " ".join([*reasons, *(unpaired_images(comparison) if change.verdict == "equivalent" else [])])


def without_verdict_after(change: Change) -> str:
    """Say that a smaller gap did not shrink if the answers after have no verdict of their own; empty if they do."""
    withheld = change.verdict == "inconclusive" and change.gap is not None and change.verdict_after == "not estimable"
    if not withheld or change.gap is None or change.gap.difference >= 0:
        return ""
    return "A smaller gap does not count here: the audit after has no verdict on this question (“not estimable”)."


def change_tags(change: Change, alpha: float) -> tuple[str, ...]:
    """Return what the verdict in a list of questions rests on, or adds to the change.

    An interval that excludes 0 may belong to a change that is undecided after correction.
    """
    gap = change.gap
    excludes_zero = gap is not None and not gap.low <= 0 <= gap.high
    tags = {
        f"corrected p {p_value(gap.p_adjusted if gap else None)}": change.verdict == "inconclusive" and excludes_zero,
        MISSING_TAG: change.withheld is not None,
        levelling(change, alpha): True,
        "exceeds the tolerance": change.beyond_tolerance,
        "may be within the tolerance": change.direction in ("grew", "shrank") and not change.beyond_tolerance,
        f"every pair within ±{exact_points(change.tolerance).split()[0]}": change.verdict == "equivalent" and gap is not None,
    }
    return tuple(tag for tag, holds in tags.items() if tag and holds)


def comparison_reason(comparison: Comparison, settings: Settings) -> str:
    """Say how many planned gaps changed in which way, and which images the comparison does not cover."""
    primary = [change for change in comparison.changes if change.primary]
    if not primary:
        return "This comparison has no primary question, so it has no verdict."
    outcomes = [outcome(change) for change in primary]
    parts = [one if count == 1 else many.format(count) for verdict, one, many in _COUNTED if (count := outcomes.count(verdict))]
    sentences = [LIMITED] * comparison.limited + [f"Of {in_words(len(outcomes), 'planned gap')}, {', '.join(parts)}."]
    return " ".join([*sentences, *levelled_sentence(comparison, settings), *unpaired_images(comparison)])


def trajectory_reason(trajectory: Trajectory, series: Series) -> str:
    """Say from which step on a gap is detected, from which on it exceeds the tolerance, and at which step it is largest."""
    gaps = [(point.step, point.gap) for point in trajectory.points if point.gap is not None]
    noun, among = models_noun(series), "in" if series.axis else "at"
    if not gaps:
        return f"Not estimable: at no {series.axis or 'step'} do two groups have enough images."
    if series.limited:
        return LIMITED
    within = exact_points(trajectory.tolerance)
    parts = []
    if trajectory.detectable is not None:
        parts.append(f"From {at_step(trajectory.detectable, series)} on, a gap is detected {among} every {noun}.")
    if trajectory.appears is not None:
        parts.append(f"From {at_step(trajectory.appears, series)} on, it exceeds {within} {among} every {noun}.")
    elif trajectory.detectable is not None:
        parts.append(f"It is undecided whether it exceeds {within} at the last.")
    else:
        passing = sum(gap.low > trajectory.tolerance for _, gap in gaps)
        parts.append(_none_at_the_end(trajectory, series))
        went = ": it came and went" if series.axis is None else ""
        parts += [f"The band lies above {within} {among} {passing} of {len(trajectory.points)} {noun}s{went}."] if passing else []
    step, gap = max(gaps, key=lambda point: point[1].value)
    parts.append(f"The largest gap is at {at_step(step, series)}: {phrases.size(gap)}.")
    return " ".join(parts)


def _none_at_the_end(trajectory: Trajectory, series: Series) -> str:
    """Say that no gap lasts to the end; several models may have the highest value of the axis, and some of them a gap."""
    last = [point for point in trajectory.points if point.step == trajectory.points[-1].step]
    if series.axis is None:
        return "At the last checkpoint no gap is detected."
    if len(last) == 1:
        return f"At {at_step(last[0].step, series)}, the highest, no gap is detected."
    return f"At {at_step(last[0].step, series)}, the highest, not all {count(len(last))} models have a detected gap."


def _measured(change: Change, gap: GapChange) -> str:
    p = p_phrase(gap.p_adjusted, "adjusted p" if change.primary else "uncorrected p")
    if change.primary and p_value(gap.p) != p_value(gap.p_adjusted):
        p = f"{p_phrase(gap.p)} for this question, {p_value(gap.p_adjusted)} after correction"
    return (
        f"The gap {in_rate(change)} went from {_ends(change, gap.before, after=False)} to {_ends(change, gap.after, after=True)}: "
        f"{_signed(gap.difference)} {span(gap.low, gap.high, 1, signed=True)} ({p})."
    )


def _ends(change: Change, ends: GapEnds, *, after: bool) -> str:
    cells = {cell.before.group: cell.after if after else cell.before for cell in change.by_group}
    named = " to ".join(f"{phrases.group(group)} {percent(cells[group].value, 1)}" for group in (ends.lowest, ends.highest))
    return f"{points(ends.value, 1)} ({named})"


def _explained(change: Change, gap: GapChange, comparison: Comparison, settings: Settings) -> list[str]:
    """Return what the verdict adds to the measured change; nothing for a limited comparison."""
    if comparison.limited:
        return []
    missing = "" if comparison.same_model else change_missing_sentence(change, settings.alpha)
    return [*[missing] * bool(missing), *_of_verdict(change, gap, comparison, settings)]


def _of_verdict(change: Change, gap: GapChange, comparison: Comparison, settings: Settings) -> list[str]:
    if change.verdict == "equivalent":
        return _why_unchanged(change, gap, comparison, settings)
    tolerance = exact_points(change.tolerance)
    if why := without_verdict_after(change):
        return [why]
    if change.withheld:
        return [f"Undecided: {MISSING}."]
    if change.verdict == "inconclusive":
        return [
            f"These images show neither a change of the gap nor its absence within {tolerance}; between any two groups they would detect "
            f"a change of {points(gap.minimum_detectable, 1)} with power 0.8.",
            *_apart(change),
        ]
    if change.direction == "reversed":
        turned = [f"{phrases.group(pair.first)} and {phrases.group(pair.second)}" for pair in change.pairs if pair.reversed]
        return [f"These groups changed places, after correction: {phrases.some(turned)}."]
    beyond = f"It changed by more than the tolerance of {tolerance}." if change.beyond_tolerance else (
        f"It is undecided whether it changed by more than the tolerance of {tolerance}."
    )  # fmt: skip
    return [beyond, *filter(None, [_LEVELLED.get(levelling(change, settings.alpha))])]


def _why_unchanged(change: Change, gap: GapChange, comparison: Comparison, settings: Settings) -> list[str]:
    if comparison.same_model:
        return ["Both sides are the same model with the same answers: nothing can have changed."]
    groups = sum(cell.before.status == "ok" for cell in change.by_group)
    reasons = [
        f"Equivalent {in_rate(change)}: for {pairs_phrase(groups)}, the {100 * (1 - 2 * settings.alpha):g} % interval of the "
        f"change of their difference lies inside ±{exact_points(change.tolerance)}."
    ]
    reasons += ["A change is detectable but smaller than the tolerance."] * (gap.p_adjusted <= settings.alpha)
    return reasons + ["Groups changed places, within the tolerance."] * any(pair.reversed for pair in change.pairs)


def _apart(change: Change) -> list[str]:
    """Name the pairs that moved apart or together when it is undecided whether the gap as a whole changed."""
    moved = [pair for pair in change.pairs if pair.low_adjusted > 0 or pair.high_adjusted < 0]
    named = [f"{phrases.group(pair.first)} minus {phrases.group(pair.second)} {_signed(pair.difference)}" for pair in moved]
    return [f"Some groups changed unequally, after correction for the pairs: {phrases.some(named)}."] if named else []


def _moved(change: Change, alpha: float) -> list[str]:
    """Name the groups whose own rate changed, after correction: if all rates move together, the gap stays the same."""
    named = [f"{phrases.group(cell.before.group)} {_signed(cell.difference or 0.0)}" for cell in moved_cells(change, alpha)]
    return [f"Rates that changed, after correction: {phrases.some(named)}."] if named else []


def levelled_sentence(comparison: Comparison, settings: Settings) -> list[str]:
    """Say how many gaps shrank only, or partly, because the best group got worse; empty if none did."""
    kinds = [levelling(change, settings.alpha) for change in comparison.changes if change.primary]
    counted = [f"{kinds.count(kind)} {'is' if kinds.count(kind) == 1 else 'are'} {kind}" for kind in _LEVELLED if kind in kinds]
    return [f"Of those that shrank, {' and '.join(counted)}."] if counted else []


def levelling(change: Change, alpha: float) -> str:
    """Return "levelled down" if a gap shrank because the best group got worse, "partly" if the worst also improved; else empty."""
    if change.levelled_down:
        return "levelled down"
    if change.direction != "shrank" or change.gap is None or change.better == "neither":
        return ""
    best = change.gap.before.highest if change.better == "high" else change.gap.before.lowest
    return "partly levelled down" if best in [cell.before.group for cell in worse_cells(change, alpha)] else ""


def worse_cells(change: Change, alpha: float) -> list[RateChange]:
    """Return the compared groups whose own rate got worse, after correction; none if neither side is better."""
    return [cell for cell in moved_cells(change, alpha) if is_worse(cell, change)]


def is_worse(cell: RateChange, change: Change) -> bool:
    """Whether a rate is worse after than before, by however little; False if neither side is better."""
    return (cell.difference or 0.0) * {"high": -1, "low": 1, "neither": 0}[change.better] > 0


def moved_cells(change: Change, alpha: float) -> list[RateChange]:
    """Return the compared groups whose own rate changed, after correction; the largest change first."""
    moved = [cell for cell in change.by_group if cell.before.status == "ok" and cell.p_adjusted <= alpha and cell.difference]
    return sorted(moved, key=lambda cell: -abs(cell.difference or 0.0))


def unpaired_images(comparison: Comparison) -> list[str]:
    """Name the images that the verdict does not cover."""
    counted = (
        (comparison.only_before + comparison.only_after, "", "in only one of the two audits"),
        (comparison.missing_in_others, "", "missing from a third audit"),
        (comparison.excluded, "up to ", "left out by an audit"),
    )
    named = [f"{up_to}{in_words(n, 'image')} {which}" for n, up_to, which in counted if n]
    return [f"Not covered: {'; '.join(named)}."] if named else []


def _signed(fraction: float) -> str:
    return f"{number(fraction, 1, signed=True)} points"
