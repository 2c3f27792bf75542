"""Sentences and table cells about supporting evidence: what would overturn a verdict, effect sizes, adjusted and shrunk rates."""

from __future__ import annotations

from collections.abc import Mapping

from audit.evidence.adjustment import Adjusted
from audit.records.base import Estimate
from audit.results import AuditResult, ControlFinding, Finding
from reports.text import phrases
from reports.text.numbers import (
    NOT_ESTIMABLE,
    count,
    decimals,
    exact_points,
    factor,
    in_words,
    number,
    p_phrase,
    percent,
    points,
    rate,
    span,
)

# ---- controls ------------------------------------------------------------------------------------------------------------------------


def untrained_text(control: ControlFinding | None) -> str:
    """Return the gap of the untrained control, and its rate over all images."""
    if control is None or control.gap is None or control.low is None or control.high is None:
        return NOT_ESTIMABLE
    places = decimals(control.low, control.high)
    all_images = "" if control.overall is None else f"; {percent(control.overall, places)} of all images"
    return f"{points(control.gap, places)} {span(control.low, control.high, places)}{all_images}"


# ---- robustness ----------------------------------------------------------------------------------------------------------------------


def near_ties_text(finding: Finding, open_decisions: int | None) -> str:
    """Return the verdict if every near-tie were flipped."""
    if open_decisions is None:
        return "unknown"
    if finding.evidence.near_ties is None:
        return "no near-ties" if open_decisions == 0 else "not tried"
    return "the same" if finding.evidence.near_ties == finding.verdict else f"becomes {finding.evidence.near_ties}"


def near_ties_sentence(audit: AuditResult, titles: Mapping[str, str]) -> str:
    """Say how many decisions rounding could flip, and which verdicts would change then."""
    known = [record.evidence.near_ties for record in audit.measurements if record.evidence.near_ties is not None]
    if not known:
        return "How far rounding moves these scores is unknown."
    if not sum(known):
        return "Rounding in the model’s number format could turn 0 decisions."
    start = f"Rounding in the model’s number format could turn {in_words(sum(known), 'decision')}."
    primary = [finding for finding in audit.findings if finding.primary]
    if not any(finding.evidence.near_ties for finding in primary):
        return f"{start} What then becomes of the verdicts was not tried, because a limited run has none."
    changed = [
        titles[finding.id] for finding in primary if finding.evidence.near_ties not in (None, finding.verdict) and finding.id in titles
    ]
    if not changed:
        return f"{start} If all of them were flipped, every verdict would stay the same."
    return f"{start} If all of them were flipped, {in_words(len(changed), 'verdict')} would change: {phrases.some(changed)}."


def wrong_labels_text(finding: Finding) -> str:
    """Return how many labels, in the worst case, would have to be wrong to overturn the verdict."""
    if finding.verdict != "disparity":
        return "not a disparity"
    tipping = finding.evidence.label_noise.tipping_point if finding.evidence.label_noise else None
    if tipping is None:
        return "no single pair is significant"
    n = phrases.rate_of(finding, tipping.worst).n
    return f"{count(tipping.images)} of {count(n)} labels of {phrases.group(tipping.worst)} ({percent(tipping.share, 1)})"


def unequal_labels_sentence(finding: Finding) -> str:
    """Say which wrong true labels would explain a gap; empty if that does not apply.

    ``If the labels of White are right, 48 labels of Black (3.1 %), each hiding a right answer, would have to be wrong …``
    """
    errors = finding.evidence.label_noise.truth if finding.evidence.label_noise else None
    if errors is None:
        return ""
    worst, other = phrases.group(errors.worst), phrases.group(errors.comparison)
    random = "" if errors.independent is None else f", or {percent(errors.independent, 1)} regardless of the answers"
    sentence = (
        f"If the labels of {other} are right, {in_words(errors.images, 'label')} of {worst} ({percent(errors.share, 1)}), each hiding a "
        f"right answer{random}, would have to be wrong for the gap to lie within the tolerance of {exact_points(finding.tolerance)}"
    )
    if errors.of_comparison is None:
        return f"{sentence}."
    alone = in_words(errors.of_comparison, "label")
    return f"{sentence}; if those of {worst} are right, {alone} of {other}, each hiding a wrong answer."


# ---- at equal other attributes -------------------------------------------------------------------------------------------------------

_ORDERED = {"high": ("leads", "trails"), "low": ("is above", "is below"), "neither": ("is above", "is below")}
"""Verbs for the group with the higher and the one with the lower rate, by which side of a metric is better."""


def shifted(finding: Finding) -> Adjusted | None:
    """Return the adjusted pair whose difference changes most at equal other attributes; reversed ones come before weakened ones."""
    pairs = [pair for pair in (finding.evidence.adjustment.pairs if finding.evidence.adjustment else ()) if pair.shift]
    return min(pairs, key=lambda pair: (pair.shift != "reversed", -abs(pair.crude - pair.difference.value)), default=None)


def shift_sentence(finding: Finding) -> str:
    """Say how adjusting for other attributes changes the most significant difference; empty if it keeps its sign and most of its size.

    ``b leads a by 4.5 points, but trails by 7.7 [6.0, 9.4] at equal age: the groups are spread unevenly over age.``
    """
    pair = shifted(finding)
    if pair is None:
        return ""
    above, below = _ORDERED[finding.better]
    first, second = (pair.first, pair.second) if pair.crude > 0 else (pair.second, pair.first)
    remaining = remaining_difference(pair)
    places = max(decimals(remaining.low, remaining.high), 1)
    raw, equal = points(abs(pair.crude), places), f"at equal {phrases.equal(pair.others)}"
    start = f"{phrases.group(first)} {above} {phrases.group(second)} by {raw}"
    if pair.shift == "reversed":
        size = f"{number(-remaining.value, places)} {span(-remaining.high, -remaining.low, places)}"
        spread = f"the groups are spread unevenly over {phrases.equal(pair.others)}"
        return f"{start}, but {below} by {size} {equal}: {spread}."
    left = f"{number(remaining.value, places)} {span(remaining.low, remaining.high, places)}"
    return f"{start}; {equal} by {left}: {lost_words(pair)}."


def remaining_difference(pair: Adjusted) -> Estimate:
    """Return the difference at equal other attributes: positive if the raw rates have the same order."""
    side = 1 if pair.crude > 0 else -1
    low, high = sorted((side * pair.difference.low, side * pair.difference.high))
    return Estimate(side * pair.difference.value, low, high)


def lost_words(pair: Adjusted) -> str:
    """Say how a difference is weakened: its interval includes 0, or less than half of it is left."""
    return "no longer significant" if pair.difference.low <= 0 <= pair.difference.high else "less than half is left"


def shift_tag(finding: Finding) -> str:
    """Return the same as a tag for a verdict: ``reversed at equal age``."""
    pair = shifted(finding)
    return f"{pair.shift} at equal {phrases.equal(pair.others)}" if pair else ""


def shift_text(pair: Adjusted) -> str:
    """Return in one word how a difference changes; empty if it keeps its sign and most of its size."""
    return pair.shift or ""


# ---- other attributes, other sizes -----------------------------------------------------------------------------------------------------


def strata_text(adjusted: Adjusted) -> str:
    """Return the number of strata, how many point the other way, and how many images could not be compared."""
    text = f"{adjusted.strata}, {adjusted.opposite} the other way" if adjusted.opposite else str(adjusted.strata)
    return (
        f"{text}; {in_words(adjusted.images_left_out, 'image')} in {count(adjusted.strata_left_out)} others"
        if adjusted.images_left_out
        else text
    )


def explained_sentence(title: str, finding: Finding) -> str:
    """Say how much of a gap other attributes explain; empty if that was not computed."""
    gap = finding.evidence.adjustment.gap if finding.evidence.adjustment else None
    if gap is None:
        return ""
    places = phrases.gap_places(finding)
    others = phrases.attributes(gap.others)
    return (
        f"{title}: {others} alone would give a gap of {points(gap.explained, places)}; {points(gap.adjusted, places)} remain after "
        f"adjustment ({p_phrase(gap.adjusted_p)}, group labels shuffled within equal {others} only)."
    )


def factor_text(estimate: Estimate | None) -> str:
    """Return a ratio with its interval."""
    return NOT_ESTIMABLE if estimate is None else factor(estimate.value, estimate.low, estimate.high)


def four_fifths_text(finding: Finding) -> str:
    """Return the four-fifths ratio, and how often groups of these sizes fall below it by chance; empty if it does not apply."""
    four_fifths = finding.evidence.four_fifths
    if four_fifths is None:
        return ""
    if four_fifths.ratio is None:
        return "given to 0 images"
    return (
        f"{four_fifths.ratio:.2f}, {'below' if four_fifths.below else 'not below'}; by chance below in "
        f"{percent(four_fifths.share_by_chance)}"
    )


def shrunk_rates(finding: Finding) -> dict[tuple[str, ...], str]:
    """Return the shrunk rate of each group that has images."""
    return {
        estimate.group: rate(estimate.shrunk, estimate.low, estimate.high)
        for estimate in (finding.evidence.shrinkage.rates if finding.evidence.shrinkage else ())
    }


def shrinkage_sentence(finding: Finding) -> str:
    """Say how the rates were shrunk; empty if they were not."""
    shrinkage = finding.evidence.shrinkage
    if shrinkage is None:
        return ""
    if shrinkage.correlation == 0:
        of_all = percent(shrinkage.mean, 1)
        return (
            f"Shrunk: the rates of the groups vary no more than sampling explains, so each is shrunk to the rate of all images, {of_all}."
        )
    return (
        f"Shrunk: the rate of a small group borrows from the others, towards {percent(shrinkage.mean, 1)}; for display, never for a "
        "verdict (its interval treats the spread between groups as known)."
    )


# ---- inside clusters -----------------------------------------------------------------------------------------------------------------


def within_sentence(finding: Finding) -> str:
    """Say that a gap is computed within clusters, how many images do not contribute, and the difference over all images; else empty."""
    within = finding.gap.within if finding.gap else None
    if within is None:
        return ""
    alone = f" ({in_words(within.images_left_out, 'image')} outside them do not count)" if within.images_left_out else ""
    if finding.metric == "retrieval_rate" and finding.overall.clusters is None:
        named = in_words(within.clusters, "gallery", "galleries")
        return f"Compared within the {named} with images of several of these groups{alone}: queries are the independent units."
    if finding.overall.clusters is None:
        return f"Compared within the {in_words(within.clusters, 'set')} that contain a pair of images{alone}."
    apart = points(within.over_all_images, max(phrases.gap_places(finding), 1))
    return (
        f"Compared within the {in_words(within.clusters, 'cluster')} that contain images of several of these groups{alone}; over all "
        f"images the rates differ by {apart}."
    )


def borrowed_sentence(finding: Finding) -> str:
    """Name the groups with events in too few clusters to estimate their intra-cluster correlation, if any."""
    groups = [phrases.group(rate.group) for rate in finding.by_group if rate.correlation_borrowed and rate.status == "ok"]
    if not groups:
        return ""
    return (
        f"{phrases.some(groups)}: events in too few clusters to estimate how similar the images of a cluster are; the correlation is that "
        "of all groups in the same clusters, at its upper limit."
    )
