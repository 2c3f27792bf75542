"""Sentences and table cells about the changes between two audits.

They never say "fixed" or "fair": a gap that shrank is smaller, and one that did not change still exists.
"""

from __future__ import annotations

from audit.records.comparison import Change, Comparison, Comparisons, GapChange, PairChange, RateChange, Series, Trajectory
from audit.statistics.metrics import ERROR_RATES
from reports.text import phrases, sentences
from reports.text.notes import sentence
from reports.text.numbers import (
    NOT_ESTIMABLE,
    count,
    decimals,
    difference,
    exact_points,
    in_words,
    lower_first,
    number,
    p_phrase,
    p_value,
    percent,
    points,
    upper_first,
)
from reports.text.sentences import VerdictWords

VERDICTS: dict[str, VerdictWords] = {
    "gap reversed": VerdictWords(
        "Gap reversed",
        "The difference between two groups is significant in one direction before and in the other after, both after correction.",
    ),
    "gap grew": VerdictWords(
        "Gap grew",
        "The gap is larger after than before, by more than chance alone would explain; a change below the tolerance is not shown.",
    ),
    "gap shrank": VerdictWords(
        "Gap shrank",
        "The gap is smaller after than before, by more than chance alone would explain. This says nothing about the remaining gap: see the "
        "audit itself.",
    ),
    "mixed": VerdictWords(
        "Mixed",
        "Some of the planned gaps grew and others shrank.",
    ),
    "equivalent": VerdictWords(
        "Equivalent",
        "In the tested rate, there is evidence that every difference between two compared groups changed by less than the tolerance. "
        "A larger gap, if there was one, still exists.",
    ),
    "inconclusive": VerdictWords(
        "Inconclusive",
        "It is undecided whether the gap changed. More images might settle it.",
    ),
    "not estimable": VerdictWords(
        "Not estimable",
        "Fewer than two groups have enough images that count for the metric (and, if images come in clusters, in enough clusters).",
    ),
}
NOT_A_CERTIFICATE = sentences.NOT_A_CERTIFICATE.replace("An audit measures a model", "A comparison measures models")
_ORDER = {
    "gap reversed": 0, "gap grew": 1, "gap shrank": 2, "inconclusive": 3, "equivalent": 4, "not estimable": 5,
}  # fmt: skip


def outcome(change: Change | Comparison) -> str:
    """Return how a gap changed or, if no change is established, the verdict: the key of `VERDICTS`."""
    return change.verdict if change.direction is None else "mixed" if change.direction == "mixed" else f"gap {change.direction}"


def which(comparison: Comparison) -> str:
    """Return what is compared: ``b.pt against a.pt · fairface``."""
    return f"{comparison.after} against {comparison.before} · {comparison.probe}"


def by_weight(change: Change) -> tuple[int, float, float]:
    """Sort key: changed gaps first, then by adjusted p, then by the size of the change."""
    gap = change.gap
    return (_ORDER[outcome(change)], gap.p_adjusted if gap else 1.0, -abs(gap.difference) if gap else 0.0)


def title(change: Change | Trajectory) -> str:
    """Return a question's name: ``Role accuracy by gender``."""
    return f"{upper_first(rate_phrase(change))} by {phrases.attributes(change.attributes)}"


def rate_phrase(change: Change | Trajectory, *, several: bool = True) -> str:
    """Name the rate of a question for use within a sentence, in an audit's words; with its measurement if there are `several`."""
    if change.confused and change.metric == ERROR_RATES.get(change.metric):
        where = f" ({change.measurement})" if several else ""
        return f"share of ‘{change.confused[0]}’ taken for ‘{change.confused[1]}’{where}"
    subject = sentences.subject_of if several else sentences.metric_of
    return lower_first(subject(change, change.truth))


def in_rate(change: Change, *, several: bool = False) -> str:
    """Name the rate of a question after "gap": ``in accuracy``, ``in the share given ‘thief’``."""
    name = rate_phrase(change, several=several)
    return f"in {'the ' if name.startswith('share ') else ''}{name}"


def comparisons_title(comparisons: Comparisons) -> str:
    """Return what was compared."""
    names = [side.name for side in comparisons.sides]
    if axis := axis_of(comparisons):
        return f"{len(names)} models by {axis}"
    if comparisons.series:
        return f"{len(names)} checkpoints of one run, step by step"
    return f"{names[1]} against {names[0]}" if len(names) == 2 else f"{in_words(len(names) - 1, 'model')} against {names[0]}"


def deck(comparisons: Comparisons) -> str:
    """Return how many images the models were compared on."""
    images = ", ".join(
        f"{in_words(many, 'image')}{of}"
        for many, of in dict.fromkeys(
            (comparison.images, f" ({comparison.probe})" if len(comparisons.probes) > 1 else "") for comparison in comparisons.comparisons
        )
    )
    if axis := axis_of(comparisons):
        return f"the same {images} for every model, by ascending {axis}; the last is compared with the first, paired"
    if comparisons.series:
        return f"the same {images} at every step; the last is compared with the first, paired"
    return f"the same {images}, paired"


def headline(change: Change, *, p: bool = True) -> str:
    """Return a change as a sentence: both gaps with their intervals, the change, optionally its p, and the groups whose rates moved."""
    gap = change.gap
    if gap is None:
        return f"{title(change)} is not estimable: fewer than two groups have enough images that count."
    before, after = gap_ends_text(change)
    certainty = f", {p_phrase(gap.p_adjusted, 'adjusted p' if change.primary else 'p')}" if p else ""
    return (
        f"{title(change)}: the gap goes from {before} to {after}, a change of "
        f"{difference(gap.difference, gap.low, gap.high, gap_places(change))} points{certainty}. {_moved(change)}"
    ).rstrip()


def reversed_pair(change: Change) -> PairChange | None:
    """Return the two groups that changed places whose difference changed most; None if no groups did."""
    return max((pair for pair in change.pairs if pair.reversed), key=lambda pair: abs(pair.difference), default=None)


def change_size(gap: GapChange) -> str:
    """Return a change of a gap with its interval, p and corrected p: ``+13 [1, 25] points (p = .03, corrected .09)``."""
    corrected = "" if p_value(gap.p) == p_value(gap.p_adjusted) else f", corrected {p_value(gap.p_adjusted)}"
    return f"{difference(gap.difference, gap.low, gap.high)} points ({p_phrase(gap.p)}{corrected})"


def _moved(change: Change) -> str:
    """Name the groups whose own rate moved most."""
    cells = [cell for cell in change.by_group if cell.before.status == "ok" and cell.difference]
    cells.sort(key=lambda cell: -abs(cell.difference or 0.0))
    named = [f"{phrases.group(cell.before.group)} {change_text(cell)}" for cell in cells]
    return f"In points: {phrases.some(named)}." if named else "The rate of every group stayed the same."


def change_interval(cell: RateChange) -> tuple[float | None, float | None]:
    """Return the interval of a rate's change: simultaneous for compared groups, individual for other groups and for all images."""
    corrected = cell.low_adjusted is not None and cell.high_adjusted is not None
    return (cell.low_adjusted, cell.high_adjusted) if corrected else (cell.low, cell.high)


def _most_places(*intervals: tuple[float | None, float | None]) -> int:
    """Return how many decimals numbers that are compared are printed with: the most that any of their intervals supports.

    With separately chosen decimals, two equal gaps could read 2.5 and 3, and their change 0.0.
    """
    return max((decimals(low, high) for low, high in intervals if low is not None and high is not None), default=0)


def gap_places(change: Change) -> int:
    """Return the number of decimals for the gap before, the gap after and the change."""
    gap = change.gap
    return 0 if gap is None else _most_places(*((interval.low, interval.high) for interval in (gap.before, gap.after, gap)))


def cell_places(cell: RateChange) -> int:
    """Return the number of decimals for a rate before, the rate after and the change."""
    return _most_places((cell.before.low, cell.before.high), (cell.after.low, cell.after.high), change_interval(cell))


def few_places(of: Change | RateChange) -> int:
    """Return the decimals on the first screen and in the list of questions: one at most; the details have what the intervals support."""
    return min(cell_places(of) if isinstance(of, RateChange) else gap_places(of), 1)


def cell_ends(cell: RateChange) -> tuple[str, str]:
    """Return a rate before and after, without intervals."""
    before, after = (percent(rate.value, cell_places(cell)) for rate in (cell.before, cell.after))
    return before, after


def change_text(cell: RateChange) -> str:
    """Return the change of a rate with its interval."""
    return difference(cell.difference, *change_interval(cell), cell_places(cell))


def gap_ends_text(change: Change) -> tuple[str, str]:
    """Return the gap before and after, each with its interval."""
    gap, places = change.gap, gap_places(change)
    return (phrases.size(gap.before, places), phrases.size(gap.after, places)) if gap else (NOT_ESTIMABLE, NOT_ESTIMABLE)


def gap_change_text(change: Change) -> str:
    """Return the change of the gap with its interval; for "equivalent", with the tolerance that all pairs keep to instead."""
    if change.gap is None:
        return NOT_ESTIMABLE
    places = gap_places(change)
    if change.verdict == "equivalent":
        return f"{number(change.gap.difference, places, signed=True)}, every pair within ±{exact_points(change.tolerance).split()[0]}"
    return difference(change.gap.difference, change.gap.low, change.gap.high, places)


def end_text(change: Change, *, after: bool) -> str:
    """Return the gap before or after with the groups at its ends: ``36 points: woman 64 % (100), man 100 % (100)``."""
    if change.gap is None:
        return NOT_ESTIMABLE
    ends = change.gap.after if after else change.gap.before
    cells = {cell.before.group: cell for cell in change.by_group}
    named = ", ".join(
        f"{phrases.group(group)} {cell_ends(cells[group])[after]} ({count((cells[group].after if after else cells[group].before).n)})"
        for group in (ends.lowest, ends.highest)
    )
    return f"{points(ends.value, gap_places(change))}: {named}"


def facts(change: Change) -> tuple[tuple[str, str], ...]:
    """Return the statistics listed below a change, as terms and values."""
    overall = change.overall
    trade = (
        ("All images", f"{phrases.cell_rate(overall.before, cell_places(overall))} to {cell_ends(overall)[1]}"),
        ("Their change", f"{change_text(overall)}, {p_phrase(overall.p)}"),
    )
    gap = change.gap
    if gap is None:
        return (("Tolerance", exact_points(change.tolerance)), *trade)
    before, after = gap_ends_text(change)
    return (
        ("Gap before", before),
        ("Gap after", after),
        ("Change", f"{difference(gap.difference, gap.low, gap.high, gap_places(change))} points"),
        ("Adjusted p" if change.primary else "p (not adjusted)", p_phrase(gap.p_adjusted).split("\u00a0", 1)[-1].removeprefix("=\u00a0")),
        ("Detectable change", points(gap.minimum_detectable, gap_places(change))),
        ("Tolerance", exact_points(change.tolerance)),
        ("Audit before / after", f"{change.verdict_before} / {change.verdict_after}"),
        *trade,
    )


def pair_end_text(pair: PairChange, value: float) -> str:
    """Return the difference of a pair before or after, with as many decimals as the interval of its change supports."""
    return number(value, decimals(pair.low_adjusted, pair.high_adjusted), signed=True)


def images_sentence(comparison: Comparison) -> str:
    """Say how many images were paired, and how many were not."""
    only = [(comparison.only_before, comparison.before), (comparison.only_after, comparison.after)]
    unpaired = [f"{in_words(n, 'image')} only in the audit of {name}" for n, name in only if n]
    unpaired += [f"{in_words(comparison.missing_in_others, 'image')} missing from another audit"] if comparison.missing_in_others else []
    rest = f" Left out, because they are unpaired: {'; '.join(unpaired)}." if unpaired else ""
    by_place = (
        " Images were paired by their position in the file, because the files have no column id: only equal attributes and true answers "
        "indicate that a row is the same image. To pair by name, add a column id to both files and audit again."
        if comparison.by_place
        else ""
    )
    cases = f" The sampling unit is the {phrases.attributes([comparison.cluster])}." if comparison.cluster else ""
    return f"Paired on {in_words(comparison.images, 'image')} that both models answered.{by_place}{cases}{rest}"


def not_compared_sentence(comparison: Comparison) -> str:
    """Say how many questions could not be paired, and why; empty if all were."""
    if not comparison.not_compared:
        return ""
    reasons = dict.fromkeys(sentence(note).partition(": ")[2] for note in comparison.not_compared)
    return f"{in_words(len(comparison.not_compared), 'question')} cannot be paired: {' '.join(reasons)}"


# ---- a series ------------------------------------------------------------------------------------------------------------------------


def axis_of(comparisons: Comparisons) -> str | None:
    """Return the name of the user's own axis; None for training steps, or without a series."""
    return next((series.axis for series in comparisons.series), None)


def series_title(series: Series) -> str:
    """Return the heading of a series."""
    return f"From which {series.axis} on is there a gap?" if series.axis else "When does a gap appear?"


def series_name(series: Series) -> str:
    """Return the short name of a series, for lists of contents and tables."""
    return f"By {series.axis}" if series.axis else "Step by step"


def models_noun(series: Series) -> str:
    """Return what the points of a series are."""
    return "model" if series.axis else "checkpoint"


def step_number(step: int | float) -> str:
    """Format a training step, or a value on the user's own axis.

    >>> step_number(1200), step_number(0.25), step_number(1e-05), step_number(2.0)
    ('1,200', '0.25', '1e-05', '2')
    """
    return count(step) if isinstance(step, int) else f"{step:,.10g}"


def at_step(step: int | float, series: Series) -> str:
    """Name a position in a series: ``step 1,200``, ``dose 0.25``."""
    return f"{series.axis or 'step'} {step_number(step)}"


def curve_alt(trajectory: Trajectory, series: Series) -> str:
    """Describe the curves over the series."""
    first, last = (step_number(trajectory.points[end].step) for end in (0, -1))
    among = f"{series.axis} {first} to {last}" if series.axis else f"steps {first} to {last}"
    return f"The gap and the rate of each group at {in_words(len(trajectory.points), models_noun(series))}, {among}."


def appears_text(step: int | float | None, series: Series) -> str:
    """Return the position from which on a gap is detected."""
    return "not detected" if step is None else at_step(step, series)


def series_sentence(series: Series) -> str:
    """Say how many images a series is based on, and for what its bands are corrected."""
    noun = models_noun(series)
    start = (
        f"The search for the start of a gap goes down from the highest {series.axis} until a gap is not detected"
        if series.axis
        else "The start of a gap is found by going backwards from the last checkpoint until the gap is no longer detected"
    )
    return (
        f"{in_words(series.images, 'image')} that every {noun} answered. Bands and p are corrected for the pairs of groups and for "
        f"{in_words(series.claims, 'planned question')}. {start}, so the number of {noun}s needs no correction."
    )
