"""Phrases for table cells and for the terms below a finding, and the choice of the pair that represents a gap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

from audit.errors import DataError
from audit.records.base import Estimate
from audit.records.comparison import GapEnds, PairChange
from audit.records.finding import Contrast, Gap, LeadingPair, PairedFinding, Rate
from audit.records.replicates import MeanGap
from audit.results import AuditResult, Finding
from audit.statistics.metrics import is_about_errors
from audit.types import Group, ModelRecord, Settings
from reports.text.numbers import (
    NOT_ESTIMABLE,
    count,
    decimal,
    decimals,
    difference,
    exact_tolerances,
    factor_bounds,
    level,
    number,
    p_phrase,
    p_value,
    percent,
    points,
    rate,
    span,
    upper_first,
)

NOT_PLANNED = "Not planned: "
"""Begins the line of summary and terminal about an analysis with a difference beyond chance."""

_MOST_PLACES, _TINY = 4, 1e-9
_HELD_EQUAL = 3
_NAMED = 5
"""The most groups that a sentence names; further ones are only counted."""
_LONGEST_NAME = 120
"""The most characters of a level's name that are shown; results.json has the full name."""
LEFT_OUT_OF_CLUSTERS = (
    "the correction of a list of words (max-T); ratio, odds ratio and Cohen’s h; the four-fifths ratio; "
    "shrunk rates of small groups; equal opportunity and equalized odds; calibration; confidence thresholds; the spread of scores; "
    "adjustment for other attributes (Mantel-Haenszel); how many wrong labels, chosen or at random, would overturn a verdict; "
    "verdicts if near-ties were flipped; chi-square"
)
"""Evidence that treats images as independent: all that `audit.engine.evidence` adds, and the chi-square."""
LEFT_OUT_OF_WEIGHTS = f"{LEFT_OUT_OF_CLUSTERS}; prompt sensitivity; counterfactual pairs; what the model answered; slicing it yourself"
"""Evidence that gives every image the same weight."""

Interval = Estimate | Gap | GapEnds | MeanGap
"""A number with its interval."""
Corrected = Contrast | PairChange
"""A difference with its simultaneous interval."""


def size(interval: Interval | None, places: int | None = None) -> str:
    """Format a size in points with its interval: ``26 points [12, 39]``; by default with as many decimals as the interval supports."""
    if interval is None:
        return NOT_ESTIMABLE
    places = decimals(interval.low, interval.high) if places is None else places
    return f"{points(interval.value, places)} {span(interval.low, interval.high, places)}"


def signed(interval: Interval | None) -> str:
    """Format a signed difference in points with its interval."""
    return NOT_ESTIMABLE if interval is None else difference(interval.value, interval.low, interval.high)


def share_with_interval(interval: Interval | None) -> str:
    """Format a share in percent with its interval."""
    return NOT_ESTIMABLE if interval is None else rate(interval.value, interval.low, interval.high)


def intervals(alpha: float) -> str:
    """Say what the intervals of an output are; printed once per output."""
    return f"Intervals are at {level(alpha)}; those of gaps and differences hold for all groups at once."


def group(levels: Group) -> str:
    """Return a group's name, shortened if it is very long; the empty group stands for all other images."""
    return " × ".join(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in levels) or "the rest"


def attributes(names: Iterable[str]) -> str:
    """Return the names of attributes in words: ``race × gender``."""
    return " × ".join(name.replace("_", " ") for name in names)


def equal(names: Sequence[str]) -> str:
    """Name attributes that are held equal, and how many more there are.

    >>> equal(["age"]), equal(["age", "skin_tone", "light"]), equal(["age", "skin_tone", "light", "pose"])
    ('age', 'age × skin tone × light', 'age × skin tone and 2 more attributes')
    """
    few = names if len(names) <= _HELD_EQUAL else names[: _HELD_EQUAL - 1]
    return f"{attributes(few)}{'' if few is names else f' and {len(names) - len(few)} more attributes'}"


def some(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are.

    Examples
    --------
    >>> some(["a", "b"]), some(["a", "b", "c", "d", "e", "f", "g"])
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {count(len(names) - _NAMED)} more" if len(names) > _NAMED else shown


def listed(names: Sequence[str]) -> str:
    """Return the first few names as a list in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdefg"))
    ('a', 'a, b and c', 'a, b, c, d, e and 2 more')
    """
    return some(names) if len(names) > _NAMED else " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def sized(cell: Rate) -> str:
    """Return the number of images of a rate: ``n = 592``, or with weights ``n = 592, effectively 412``."""
    effective = "" if cell.effective_n is None else f", effectively {count(round(cell.effective_n))}"
    return f"n\u00a0=\u00a0{count(cell.n)}{effective}"


def rate_of(finding: Finding, levels: Group) -> Rate:
    """Return the rate of one group; raise `DataError` if it has none, since an audit never writes such a file."""
    for cell in finding.by_group:
        if cell.group == levels:
            return cell
    raise DataError(f"results.json contradicts itself: {finding.id} has no rate for {group(levels)!r}", fix="run the audit again")


def rare_rate(finding: Finding) -> str:
    """Name the rate whose ratio a finding is about: the one it states, or that of the images that are no events."""
    if not finding.ratio_of_rest:
        return "rate"
    return "error rate" if is_about_errors(finding.metric) else "rate of other answers"


def rare_rates(finding: Finding) -> str:
    """Return the same in the plural."""
    return rare_rate(finding).replace("rate", "rates", 1)


def tolerances(finding: Finding) -> str:
    """Return the tolerances of a finding: ``5 points and a factor of 1.25 in error rates``."""
    both = exact_tolerances(finding.tolerance, finding.ratio_tolerance)
    return both if finding.ratio_tolerance is None or not finding.ratio_of_rest else f"{both} in {rare_rates(finding)}"


def leading_pair(finding: Finding) -> LeadingPair | None:
    """Return the pair of groups, with its difference, that all sentences, tables and charts show; None without a gap.

    For a diffuse finding, and in files of earlier versions, it is the pair with the highest and the lowest rate.
    """
    gap = finding.gap
    if gap is None:
        return None
    return gap.leading or LeadingPair(gap.highest, gap.lowest, gap.value, max(gap.low, 0.0), gap.high, gap.null_95)


def gap_text(finding: Finding) -> str:
    """Return the difference of the leading pair with its interval: ``26 points [12, 39]``."""
    pair, places = leading_pair(finding), gap_places(finding)
    return NOT_ESTIMABLE if pair is None else f"{points(pair.difference, places)} {span(pair.low, pair.high, places)}"


def chance_text(finding: Finding) -> str:
    """Return how far apart chance may put the leading pair (95 %); "no single pair" for a diffuse finding."""
    pair = leading_pair(finding)
    if pair is None:
        return NOT_ESTIMABLE
    return "no single pair" if finding.diffuse else points(pair.chance, gap_places(finding))


def diffuse(finding: Finding) -> str:
    """Say that groups differ although no pair stands out, and which differ most from the rest."""
    farthest = sorted(finding.contrasts, key=lambda contrast: (contrast.p, -abs(contrast.difference)))[:2]
    names = some([group(contrast.first) for contrast in farthest])
    return f"The groups differ although no single pair stands out; most different from the others: {names}."


def detectable_text(finding: Finding) -> str:
    """Return the smallest difference that these images could reliably detect."""
    return NOT_ESTIMABLE if finding.gap is None else points(finding.gap.minimum_detectable, gap_places(finding))


def facts(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Return the statistics listed below a finding, as terms and values."""
    known = finding.overall.baseline is not None
    trivial = (("Always the most common answer", f"{baseline(finding.overall)} right"),) if known else ()
    gap = finding.gap
    if gap is None:
        return (("Tolerance", tolerances(finding)), *trivial)
    places = gap_places(finding)
    has_weights = finding.overall.effective_n is not None
    if has_weights or finding.overall.clusters is not None:
        chi2 = f"not computed for {'weights' if has_weights else 'clusters'}"
    elif gap.chi2 is None or gap.chi2_p is None:
        chi2 = NOT_ESTIMABLE
    else:
        chi2 = f"{decimal(gap.chi2, 1)}, {p_phrase(gap.chi2_p)}"
    return (
        ("Highest minus lowest rate", f"{points(gap.value, places)} ({_named(finding, gap.highest)}, {_named(finding, gap.lowest)})"),
        ("Expected by chance, on average", points(gap.null_mean, places)),
        ("p", p_value(gap.p)),
        ("Adjusted p", p_value(gap.p_adjusted)),
        *_listed(finding),
        ("Chi-square", chi2),
        ("Spread between groups", points(gap.spread, max(places, 1))),
        ("Lowest / highest", NOT_ESTIMABLE if gap.ratio is None else f"{gap.ratio:.2f}"),
        ("Detectable difference", detectable_text(finding)),
        ("Tolerance", tolerances(finding)),
        *(() if gap.ratio_low is None else ((_factor(finding), factor_bounds(gap.ratio_low, gap.equivalence_ratio)),)),
        *trivial,
    )


def _factor(finding: Finding) -> str:
    return f"{upper_first(rare_rates(finding))} differ by a factor of"


def _named(finding: Finding, levels: Group) -> str:
    return f"{group(levels)} {cell_value(rate_of(finding, levels))}"


def _listed(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Return the p-value of an entry corrected only for its own list, as if nothing else had been explored."""
    correction = finding.evidence.family_correction
    if correction is None:
        return ()
    return ((f"p within its list of {correction.size} alone", f"{p_value(correction.max_t)} (max-T)"),)


def signed_change(corrected: Corrected) -> str:
    """Format a difference, or the change of one, with its simultaneous interval, the only one that is shown."""
    return difference(corrected.difference, corrected.low_adjusted, corrected.high_adjusted)


def gap_places(finding: Finding) -> int:
    """Return how many decimals the interval of the leading pair supports, and enough that no end reads as a tolerance that it is not."""
    pair = leading_pair(finding)
    if pair is None:
        return 0
    places = decimals(pair.low, pair.high)
    while places < _MOST_PLACES and any(_reads_as(end, finding.tolerance, places) for end in (pair.low, pair.high)):
        places += 1
    return places


def _reads_as(end: float, tolerance: float, places: int) -> bool:
    """Whether an end of an interval is printed as, or beyond, a tolerance on the other side of it."""
    printed = round(100 * end, places)
    return abs(end - tolerance) > _TINY and (printed - 100 * tolerance) * (end - tolerance) <= 0


def gap_and_interval(finding: Finding, places: int | None = None) -> tuple[str, str]:
    """Return the difference of the leading pair in points and, for a second cell, what it is known to: ``7.9`` and ``[5.1, 10.7]``.

    If the verdict is “equivalent”, that is the bound of the equivalence test: ``at most 2.5``.
    """
    pair, bound = leading_pair(finding), tested_bound(finding)
    if pair is None:
        return ("", "")
    places = gap_places(finding) if places is None else places
    return number(pair.difference, places), span(
        pair.low, pair.high, places
    ) if bound is None else f"at most {bound_text(finding, bound, places)}"


def tested_bound(finding: Finding) -> float | None:
    """Return the bound of the equivalence test if the verdict is “equivalent”; None in files of earlier versions."""
    return finding.gap.equivalence_bound if finding.gap and finding.verdict == "equivalent" else None


def bound_text(finding: Finding, bound: float, places: int | None = None) -> str:
    """Return the bound of the equivalence test in points, rounded up, with enough decimals to read as below the tolerance."""
    places = gap_places(finding) if places is None else places
    while bound < finding.tolerance <= _rounded_up(bound, places) + _TINY and places < _MOST_PLACES:
        places += 1
    return number(_rounded_up(bound, places), places)


def _rounded_up(fraction: float, places: int) -> float:
    step: float = 10.0 ** -(places + 2)
    return ceil(fraction / step - _TINY) * step


def number_compared(finding: Finding) -> int:
    """Return how many groups have enough images to be compared."""
    return sum(cell.status == "ok" for cell in finding.by_group)


def leading_groups(finding: Finding) -> tuple[Group, ...]:
    """Return the groups of the leading pair, the worse (or, if neither side is better, the higher) first. Empty without a gap."""
    pair = leading_pair(finding)
    return () if pair is None else (pair.lower, pair.higher) if finding.better == "high" else (pair.higher, pair.lower)


def units_inside(finding: Finding) -> str:
    """Return inside what a gap is computed, if it is not between groups over all images: clusters, or the galleries of queries."""
    return "galleries" if finding.metric == "retrieval_rate" and finding.overall.clusters is None else "clusters"


def short_rate(finding: Finding, levels: Group) -> str:
    """Return a group with its rate and n, for a table: ``woman 72 % (100)``; with weights ``woman 72 % (100, effectively 81)``."""
    cell = rate_of(finding, levels)
    n = sized(cell).removeprefix("n\u00a0=\u00a0")
    return f"{group(levels)} {cell_value(cell)} ({n})"


def cell_value(cell: Rate, *beside: Rate) -> str:
    """Format a rate in percent with as many decimals as its interval, and those of the rates `beside` it in a line, support.

    None or all of the images are 0 or 100 %, without decimals, however many images there are.
    """
    if cell.value is None or cell.low is None or cell.high is None:
        return percent(None)
    if cell.value in (0, 1):
        return percent(cell.value)
    ends = [(interval.low, interval.high) for interval in (cell, *beside)]
    return percent(cell.value, min(decimals(low, high) for low, high in ends if low is not None and high is not None))


def pair_values(finding: Finding, *, together: bool = False) -> tuple[str, ...]:
    """Return both rates of the leading groups, with enough decimals that their printed difference is the printed gap.

    `together` gives both the same decimals, for a line. A gap inside clusters is not their difference.
    """
    pair, cells = leading_pair(finding), [rate_of(finding, group) for group in leading_groups(finding)]
    if pair is None:
        return ()
    places, gap = gap_places(finding), float(f"{100 * pair.difference:.{gap_places(finding)}f}")
    plain = tuple(cell_value(cell, *(cells if together else ())) for cell in cells)
    finer = (tuple(_percent(cell, more) for cell in cells) for more in range(max(places, 1), _MOST_PLACES + 1))
    return next((values for values in (plain, *finer) if _subtracts(values, gap, places)), plain)


def _percent(cell: Rate, places: int) -> str:
    return percent(cell.value, 0 if cell.value in (0, 1) else places)


def _subtracts(values: tuple[str, ...], gap: float, places: int) -> bool:
    """Whether two printed rates differ by a printed gap, but for the rounding of the gap."""
    first, second = (float(text.removesuffix("%")) for text in values)
    return abs(abs(first - second) - gap) <= 0.5 * 10.0**-places + _TINY


def cell_interval(cell: Rate) -> str:
    """Return the interval of a rate."""
    if cell.low is None or cell.high is None:
        return percent(None)
    return span(cell.low, cell.high, decimals(cell.low, cell.high))


def cell_rate(cell: Rate, places: int | None = None) -> str:
    """Return a rate with its interval."""
    return rate(cell.value, cell.low, cell.high, places)


def baseline(cell: Rate) -> str:
    """Return the accuracy of always giving the most common answer; empty if it is unknown."""
    return "" if cell.baseline is None else percent(cell.baseline, 1)


def printed(published: float | None) -> str:
    """Format a published number as it was printed, in percent; empty if the cell was empty."""
    return "" if published is None else f"{100 * published:.1f}"


def stopped(text: str) -> str:
    """Return text from elsewhere with exactly one mark at its end.

    Examples
    --------
    >>> stopped("Claims by rule."), stopped("FairFace")
    ('Claims by rule.', 'FairFace.')
    """
    return text if text.endswith((".", "!", "?")) else f"{text}."


def audit_name(audit: AuditResult) -> str:
    """Name one audit among several."""
    return f"{audit.model.name} · {audit.probe.name}"


def answers_only(model: ModelRecord) -> bool:
    """Whether no model was loaded: the answers were read from a file."""
    return not (model.parameters or model.dimensions)


# ---- sentences that stand for a chart ------------------------------------------------------------------------------------------------


def paired_title(paired: PairedFinding) -> str:
    """Return the attribute that was changed, as in ``gender: man → woman``, and the outcome if the question is about one."""
    outcome = f" (‘{paired.outcome}’)" if paired.outcome else ""
    return f"{attributes([paired.attribute])}: {paired.first} → {paired.second}{outcome}"


def left_out_sentence(left_out: Sequence[tuple[str, int]], settings: Settings) -> str:
    """Name the groups whose images are not in a gallery, if any."""
    if not left_out:
        return ""
    named = some([f"{group((level,))} ({count(n)})" for level, n in left_out])
    return f"Left out, with fewer than {count(settings.min_group_size)} images or an unknown value: {named}."
