"""What stands beside the verdicts of an audit and never decides them: sizes, lists, adjustment, and what would overturn them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.records.evidence import Adjusted, AdjustedGap, Listed
from audit.statistics.counts.cells import CellTable, unpack
from audit.statistics.counts.count_table import grouped_counts
from audit.statistics.counts.rows import row_events
from audit.statistics.equivalence import equivalence_bound
from audit.statistics.evidence.adjustment import Strata, mantel_haenszel, strata, stratified_gap_test
from audit.statistics.evidence.confidence import Scored, has_confidence
from audit.statistics.evidence.effect_size import effect_size, four_fifths
from audit.statistics.evidence.label_noise import Rules, noise_curve, tipping_point
from audit.statistics.evidence.score_spread import score_spreads
from audit.statistics.evidence.scored import DRAWS, calibrations, odds, threshold_curves
from audit.statistics.evidence.sensitivity import LOGIT_TOLERANCE, flip_near_ties
from audit.statistics.evidence.shrinkage import shrink
from audit.statistics.max_t import max_t, patterns
from audit.statistics.metrics import Tally, resolve, tally
from audit.statistics.multiplicity import benjamini_hochberg, holm
from audit.statistics.null import gap_test, generator
from audit.types import Claim

if TYPE_CHECKING:
    from jaxtyping import Int

    from audit.records.results import AuditResult, Finding, Gap, Verdict
    from audit.types import Group, Measurement, Predictions, Settings

NOISE_DRAWS = 4999
"""At most as many shuffles for the null of a noise curve: all its tables are held against one critical gap, whose error they share."""
MOST_STRATA = 500
"""More strata than this are not shuffled within."""
WITH_RATIO = "selection_rate"
"""The four-fifths rule is about shares selected."""


def add_evidence(
    result: AuditResult,
    measurements: Sequence[Measurement],
    predictions: Mapping[str, Predictions],
    levels: Mapping[str, Group],
    settings: Settings,
) -> AuditResult:
    """Return the result with everything that stands beside its verdicts. No verdict, rate or p-value of it changes.

    Measurements whose images come in clusters get nothing: all of it takes one image for one case, and would claim too much.

    Parameters
    ----------
    result : AuditResult
        Concluded, with its count tables.
    measurements : sequence of Measurement
        What was asked.
    predictions : mapping of str to Predictions
        measurement -> what was answered. Only confidence needs it; all else is read off the count tables, whose size does not grow with
        the number of images.
    levels : mapping of str to tuple of str
        attribute -> declared levels.
    settings : Settings
    """
    measurements = [measurement for measurement in measurements if predictions[measurement.name].cluster is None]
    asked = {measurement.name: measurement for measurement in measurements}
    scored = {name: Scored(measurement, predictions[name], levels) for name, measurement in asked.items()}
    cells = {record.measurement: unpack(record) for record in result.counts}
    listed = {name: each for m in measurements for name, each in _listed(m, cells[m.name], result.findings, settings).items()}
    open_decisions, turned = _near_ties(result, asked, predictions, levels, settings)
    records = tuple(
        replace(
            record,
            open_decisions=open_decisions.get(record.name),
            calibration=calibrations(scored[record.name], settings),
        )
        if record.name in asked
        else record
        for record in result.measurements
    )

    def evidence(finding: Finding) -> Finding:
        if finding.measurement not in asked:
            return finding
        finding = replace(finding, listed=listed.get(finding.id), near_tie_verdict=turned.get(finding.id))
        finding = _overturned(_sized(finding, settings), settings)
        return _adjusted(finding, asked[finding.measurement], cells[finding.measurement], settings)

    return replace(
        result,
        findings=tuple(map(evidence, result.findings)),
        measurements=records,
        odds=tuple(each for m in measurements for each in odds(m, cells[m.name], levels, settings)),
        scores=tuple(each for m in measurements for each in score_spreads(scored[m.name])),
        threshold_curves=tuple(each for m in measurements for each in threshold_curves(scored[m.name], settings)),
    )


def _compared(finding: Finding) -> tuple[tuple[Group, ...], Int[np.ndarray, "g"], Int[np.ndarray, "g"]]:
    """Return groups, events and denominators of the groups that were compared."""
    ok = [rate for rate in finding.by_group if rate.status == "ok"]
    return tuple(rate.group for rate in ok), np.array([rate.events for rate in ok]), np.array([rate.n for rate in ok])


def _claim(finding: Finding) -> Claim:
    return Claim(finding.metric, finding.attributes, finding.outcome)


# ---- how large ---------------------------------------------------------------------------------------------------------------------


def _sized(finding: Finding, settings: Settings) -> Finding:
    """Add sizes of effect, and shrunk rates where a group is small."""
    if any(rate.status == "small" for rate in finding.by_group):
        events, n = (np.array([getattr(rate, name) for rate in finding.by_group]) for name in ("events", "n"))
        finding = replace(finding, shrinkage=shrink(Tally(tuple(rate.group for rate in finding.by_group), events, n, n), settings.alpha))
    if finding.gap is None:
        return finding
    groups, events, n = _compared(finding)
    ends = groups.index(finding.gap.highest), groups.index(finding.gap.lowest)
    k, m = ((int(counts[ends[0]]), int(counts[ends[1]])) for counts in (events, n))
    finding = replace(finding, effect=effect_size((finding.gap.highest, finding.gap.lowest), k, m, settings.alpha))
    if not finding.primary or finding.metric != WITH_RATIO:
        return finding
    rng = generator(settings.seed, f"{finding.id}/four fifths")
    return replace(finding, four_fifths=four_fifths(events, n, min(settings.draws, DRAWS), rng))


def _listed(measurement: Measurement, cells: CellTable, findings: Sequence[Finding], settings: Settings) -> dict[str, Listed]:
    """Correct what is asked of several outcomes alike, outside the verdict: a word list by one slicing."""
    families: dict[tuple[str, tuple[str, ...]], list[tuple[Finding, Gap]]] = {}
    for finding in findings:
        if finding.measurement == measurement.name and not finding.primary and finding.outcome and finding.gap:
            families.setdefault((finding.metric, finding.attributes), []).append((finding, finding.gap))
    corrected = {}
    for (metric, by), family in families.items():
        if len(family) < 2:
            continue
        flags = [row_events(cells.answered, *resolve(measurement, _claim(finding), cells.answered)) for finding, _ in family]
        groups, codes = cells.place(by)
        known = codes >= 0
        events, counted = (np.stack([getattr(flag, name)[known] for flag in flags], axis=1) for name in ("event", "counted"))
        table = patterns(events, counted, codes[known], len(groups), cells.n[known])
        rng = generator(settings.seed, f"{measurement.name}/{metric}/{' x '.join(by)}/list")
        together = max_t(table, settings.min_group_size, min(settings.draws, DRAWS), rng).p_adjusted.tolist()
        shares = benjamini_hochberg(np.array([gap.p for _, gap in family])).tolist()
        for (finding, _), share, any_alarm in zip(family, shares, together, strict=True):
            corrected[finding.id] = Listed(len(family), share, any_alarm)
    return corrected


# ---- how little would overturn it --------------------------------------------------------------------------------------------------


def _overturned(finding: Finding, settings: Settings) -> Finding:
    """Add tipping point and noise curve to a finding that counts for the verdict."""
    if finding.gap is None or not finding.primary:
        return finding
    groups, events, n = _compared(finding)
    gap = finding.gap
    # Holm multiplied the raw p; the same factor gives the level that the raw p is held against.
    level = settings.alpha * gap.p / gap.p_adjusted
    # The groups stay those that were compared: one of 30 images that loses a label is no reason to judge it no more.
    rules = Rules(finding.tolerance, settings.alpha, level, 2, min(settings.draws, NOISE_DRAWS))
    noise = noise_curve(events, n, rules, generator(settings.seed, f"{finding.id}/noise"))
    high, low = gap.clearest or (gap.highest, gap.lowest)
    worst, other = (low, high) if finding.better == "high" else (high, low)
    ends = groups.index(worst), groups.index(other)
    pairs = len(n) * (len(n) - 1) // 2
    k, m = ((int(counts[ends[0]]), int(counts[ends[1]])) for counts in (events, n))
    tipping = tipping_point((worst, other), k, m, settings.alpha / pairs) if finding.verdict == "disparity" else None
    return replace(finding, noise=noise, tipping=tipping)


def _near_ties(
    result: AuditResult,
    asked: Mapping[str, Measurement],
    predictions: Mapping[str, Predictions],
    levels: Mapping[str, Group],
    settings: Settings,
) -> tuple[dict[str, int], dict[str, Verdict]]:
    """Return the open decisions by measurement, and the verdicts if all of them went the other way (where there are any)."""
    if result.model.dtype not in LOGIT_TOLERANCE:
        return {}, {}
    flipped = {
        name: flip_near_ties(predictions[name], measurement.label_set, result.model.dtype)
        for name, measurement in asked.items()
        if has_confidence(predictions[name])
    }
    counts = {name: each.count for name, each in flipped.items()}
    if not any(counts.values()) or result.data.limited:
        return counts, {}
    tables = {}
    for finding in (each for each in result.findings if each.primary and each.measurement in asked):
        if not counts.get(finding.measurement):
            tables[finding.id] = (finding, *_compared(finding)[1:])
            continue
        answered = flipped[finding.measurement].predictions
        metric, outcome = resolve(asked[finding.measurement], _claim(finding), answered)
        tallied = tally(grouped_counts(answered, finding.attributes, levels), metric, outcome)
        ok = [status == "ok" for status in tallied.statuses(settings.min_group_size)]
        tables[finding.id] = (finding, tallied.events[ok], tallied.n[ok])
    return counts, _verdicts(list(tables.values()), settings)


def _verdicts(tables: Sequence[tuple[Finding, Int[np.ndarray, "g"], Int[np.ndarray, "g"]]], settings: Settings) -> dict[str, Verdict]:
    """Apply the rules of a verdict, Holm over the findings included, to changed counts; the same shuffles as those of the findings."""
    tested = [(finding, events, n) for finding, events, n in tables if len(n) > 1]
    p = [gap_test(events, n, settings.draws, generator(settings.seed, finding.id)).p for finding, events, n in tested]
    verdicts: dict[str, Verdict] = {finding.id: "not estimable" for finding, _, _ in tables}
    for (finding, events, n), adjusted in zip(tested, holm(np.array(p)), strict=True):
        within = equivalence_bound(events, n, settings.alpha) < finding.tolerance
        verdicts[finding.id] = "equivalent" if within else "disparity" if adjusted <= settings.alpha else "inconclusive"
    return verdicts


# ---- at equal other attributes -----------------------------------------------------------------------------------------------------


def _adjusted(finding: Finding, measurement: Measurement, cells: CellTable, settings: Settings) -> Finding:
    """Add the comparison within the levels of the other attributes to a finding that counts for the verdict."""
    if finding.gap is None or not finding.primary:
        return finding
    gap = finding.gap
    metric, outcome = resolve(measurement, _claim(finding), cells.answered)

    def within(others: tuple[str, ...]) -> tuple[Strata, Adjusted | None]:
        counted = strata(cells, metric, outcome, finding.attributes, others)
        high, low = gap.clearest or (gap.highest, gap.lowest)
        return counted, mantel_haenszel(counted, counted.groups.index(high), counted.groups.index(low), settings.alpha)

    others = [name for name in cells.answered.attributes.columns if name not in finding.attributes]
    single = {name: found for name in others for _, found in [within((name,))] if found and found.strata > 1}
    if not single:
        return finding
    counted, together = within(tuple(single))
    joint = (together,) if together and len(single) > 1 else ()
    return replace(finding, adjusted=(*single.values(), *joint), adjusted_gap=_adjusted_gap(finding, counted, settings))


def _adjusted_gap(finding: Finding, counted: Strata, settings: Settings) -> AdjustedGap | None:
    if len(counted.n) > MOST_STRATA:
        return None
    columns = [counted.groups.index(group) for group in _compared(finding)[0]]
    events, n = counted.events[:, columns], counted.n[:, columns]
    if not n.sum(axis=0).all():  # a group whose other attributes are all unknown
        return None
    rng = generator(settings.seed, f"{finding.id}/within {' x '.join(counted.others)}")
    return replace(stratified_gap_test(events, n, min(settings.draws, DRAWS), rng), others=counted.others)
