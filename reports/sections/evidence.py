"""What stands beside the verdicts, in texts and marks: controls, what would overturn a verdict, equal other attributes, sizes of effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.evidence import Adjusted, Estimate
from audit.records.results import AuditResult, ControlFinding, Finding, Rate
from reports.charts.forest import Forest, dumbbells
from reports.charts.panels import NoiseCurve, noise_curve
from reports.text import phrases
from reports.text import sentences as words
from reports.text.numbers import NOT_ESTIMABLE, count, decimals, difference, factor, in_words, number, p_value, percent, points, span


@dataclass(frozen=True)
class ControlRow:
    """A question beside what it would answer if nothing were there to find."""

    key: str
    title: str
    measured: str
    shuffled: str
    commonest: str
    """Accuracy, and that of always giving the commonest answer; empty where nothing is true."""
    twin: str
    twin_verdict: str


@dataclass(frozen=True)
class FirmRow:
    """How little would overturn a verdict."""

    key: str
    title: str
    verdict: str
    near_ties: str
    chosen: str
    kept: tuple[str, ...]
    """By share of labels wrong at random."""
    curve: NoiseCurve | None


@dataclass(frozen=True)
class AdjustedRow:
    """Two groups, as they are and at equal other attributes."""

    pair: str
    others: str
    crude: str
    within: str
    p: str
    strata: str


@dataclass(frozen=True)
class AdjustedView:
    """A question with a row for each attribute that was held equal, and one for all of them together."""

    key: str
    title: str
    rows: tuple[AdjustedRow, ...]


@dataclass(frozen=True)
class EffectRow:
    """The highest against the lowest group, in other sizes."""

    key: str
    title: str
    pair: str
    ratio: str
    odds: str
    h: str
    four_fifths: str


@dataclass(frozen=True)
class Evidence:
    """The sections beside the verdicts of one audit."""

    controls: tuple[ControlRow, ...]
    firm: tuple[FirmRow, ...]
    near_ties: str
    shares: tuple[str, ...]
    adjusted: tuple[AdjustedView, ...]
    gaps: tuple[str, ...]
    """A sentence for each disparity that other attributes may explain."""
    dumbbells: Forest | None
    effects: tuple[EffectRow, ...]


def evidence(keys: Mapping[str, str], findings: Sequence[Finding], audit: AuditResult) -> Evidence:
    """Return the sections of an audit; `keys` leads from a finding to its place, `findings` are those that count, in their order."""
    titles = {finding.id: words.title(finding, audit) for finding in findings}
    shares = next((tuple(point.share for point in noise.points) for finding in findings if (noise := finding.evidence.label_noise)), ())
    twin = {each.finding: each for each in audit.untrained_control.findings} if audit.untrained_control else {}
    adjusted = [(finding, found) for finding in findings if (found := finding.evidence.adjustment)]
    pairs = [(finding, found.pairs) for finding, found in adjusted]
    return Evidence(
        controls=tuple(_control(keys[each.id], titles[each.id], each, twin.get(each.id)) for each in findings if each.gap),
        firm=tuple(_firm(keys[each.id], titles[each.id], each, audit) for each in findings if each.evidence.label_noise),
        near_ties=near_ties_sentence(audit, titles),
        shares=tuple(percent(share) for share in shares),
        adjusted=tuple(AdjustedView(keys[each.id], titles[each.id], tuple(map(_adjusted, found.pairs))) for each, found in adjusted),
        gaps=tuple(sentence for each, _ in adjusted if each.verdict == "disparity" for sentence in _explained(titles[each.id], each)),
        dumbbells=dumbbells([(_brief(each, titles[each.id]), at[-1].crude, at[-1].difference) for each, at in pairs]) if pairs else None,
        effects=tuple(_effect(keys[each.id], titles[each.id], each) for each in findings if each.evidence.effect_size),
    )


# ---- controls ------------------------------------------------------------------------------------------------------------------------


def _control(key: str, title: str, finding: Finding, twin: ControlFinding | None) -> ControlRow:
    gap, overall = finding.gap, finding.overall
    if gap is None:
        raise ValueError("a control stands beside a gap")
    places = phrases.gap_places(finding)
    known = overall.baseline is not None
    return ControlRow(
        key=key,
        title=title,
        measured=phrases.gap_text(finding),
        shuffled=f"{number(gap.null_mean, places)} on average, up to {points(gap.null_95, places)}",
        commonest=f"{phrases.cell_value(overall)} right; {phrases.baseline(overall)}" if known else "",
        twin=_twin(twin),
        twin_verdict=twin.verdict if twin else "",
    )


def _twin(twin: ControlFinding | None) -> str:
    if twin is None or twin.gap is None or twin.low is None or twin.high is None:
        return NOT_ESTIMABLE
    places = decimals(twin.low, twin.high)
    rate = "" if twin.overall is None else f"; {percent(twin.overall, places)} of all images"
    return f"{points(twin.gap, places)} {span(twin.low, twin.high, places)}{rate}"


# ---- how little would overturn it ----------------------------------------------------------------------------------------------------


def _firm(key: str, title: str, finding: Finding, audit: AuditResult) -> FirmRow:
    record = next((record for record in audit.measurements if record.name == finding.measurement), None)
    points = finding.evidence.label_noise.points if finding.evidence.label_noise else ()
    return FirmRow(
        key=key,
        title=title,
        verdict=finding.verdict,
        near_ties=_near_ties(finding, record.evidence.near_ties if record else None),
        chosen=_chosen(finding),
        kept=tuple(percent(point.kept) for point in points),
        curve=noise_curve(points),
    )


def _near_ties(finding: Finding, open_decisions: int | None) -> str:
    if open_decisions is None:
        return "not known"
    if finding.evidence.near_ties is None:
        return "none is so close" if open_decisions == 0 else "not tried"
    return "the same" if finding.evidence.near_ties == finding.verdict else f"becomes {finding.evidence.near_ties}"


def _chosen(finding: Finding) -> str:
    """Return how few labels, chosen against the verdict, would have to be wrong."""
    if finding.verdict != "disparity":
        return "no disparity to overturn"
    tipping = finding.evidence.label_noise.tipping_point if finding.evidence.label_noise else None
    if tipping is None:
        return "no pair is clear by itself"
    n = phrases.rate_of(finding, tipping.worst).n
    return f"{count(tipping.images)} of {count(n)} labels of {phrases.group(tipping.worst)} ({percent(tipping.share, 1)})"


def near_ties_sentence(audit: AuditResult, titles: Mapping[str, str]) -> str:
    """Return how many decisions rounding could turn, and which verdicts would then change."""
    known = [record.evidence.near_ties for record in audit.measurements if record.evidence.near_ties is not None]
    if not known:
        return "How far rounding moves these scores is not known."
    if not sum(known):
        return "No decision is so close that rounding in the model’s number format could turn it."
    start = f"{in_words(sum(known), 'decision')} {'is' if sum(known) == 1 else 'are'} so close that rounding could turn"
    start += " it." if sum(known) == 1 else " them."
    primary = [finding for finding in audit.findings if finding.primary]
    if not any(finding.evidence.near_ties for finding in primary):
        return f"{start} What then became of the verdicts was not tried: a limited run has none."
    changed = [
        titles[finding.id] for finding in primary if finding.evidence.near_ties not in (None, finding.verdict) and finding.id in titles
    ]
    if not changed:
        return f"{start} If all of them went the other way, no verdict would change."
    return f"{start} If all of them went the other way, {in_words(len(changed), 'verdict')} would change: {phrases.some(changed)}."


# ---- at equal other attributes -------------------------------------------------------------------------------------------------------


def _adjusted(found: Adjusted) -> AdjustedRow:
    within = found.difference
    places = decimals(within.low, within.high)
    return AdjustedRow(
        pair=f"{phrases.group(found.first)} − {phrases.group(found.second)}",
        others=phrases.attributes(found.others),
        crude=number(found.crude, places, signed=True),
        within=difference(within.value, within.low, within.high),
        p=p_value(found.p),
        strata=_strata(found),
    )


def _brief(finding: Finding, title: str) -> str:
    """Return a title that fits beside a chart."""
    return f"‘{finding.outcome}’ by {phrases.attributes(finding.attributes)}" if finding.outcome else title


def _strata(found: Adjusted) -> str:
    text = f"{found.strata}, {found.opposite} the other way" if found.opposite else str(found.strata)
    return f"{text}; {in_words(found.images_left_out, 'image')} in {count(found.strata_left_out)} others" if found.images_left_out else text


def _explained(title: str, finding: Finding) -> list[str]:
    gap = finding.evidence.adjustment.gap if finding.evidence.adjustment else None
    if gap is None:
        return []
    places = phrases.gap_places(finding)
    others = phrases.attributes(gap.others)
    return [
        f"{title}: a gap of {points(gap.explained, places)} is what {others} alone would make; {points(gap.adjusted, places)} "
        f"are left beside it (p\u00a0{_equals(gap.adjusted_p)}, group labels shuffled within equal {others} only)."
    ]


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"=\u00a0{text}"


# ---- sizes ---------------------------------------------------------------------------------------------------------------------------


def _effect(key: str, title: str, finding: Finding) -> EffectRow:
    effect = finding.evidence.effect_size
    if effect is None:
        raise ValueError("no effect to print")
    return EffectRow(
        key=key,
        title=title,
        pair=f"{phrases.group(effect.first)} / {phrases.group(effect.second)}",
        ratio=_factor(effect.ratio),
        odds=_factor(effect.odds_ratio),
        h=f"{effect.cohens_h:.2f}",
        four_fifths=_four_fifths(finding),
    )


def _factor(estimate: Estimate | None) -> str:
    return NOT_ESTIMABLE if estimate is None else factor(estimate.value, estimate.low, estimate.high)


def _four_fifths(finding: Finding) -> str:
    found = finding.evidence.four_fifths
    if found is None:
        return ""
    if found.ratio is None:
        return "no image was given it"
    return f"{found.ratio:.2f}, {'below' if found.below else 'not below'}; by chance below in {percent(found.share_by_chance)}"


def shrunk(finding: Finding) -> dict[tuple[str, ...], str]:
    """Return the shrunk rate of each group that has images."""
    if finding.evidence.shrinkage is None:
        return {}
    return {
        each.group: phrases.cell_rate(_as_rate(each.group, each.n, each.events, each.shrunk, each.low, each.high))
        for each in finding.evidence.shrinkage.rates
    }


def _as_rate(group: tuple[str, ...], n: int, events: int, value: float, low: float, high: float) -> Rate:
    return Rate(group, n, events, value, low, high, "ok")


def shrinkage_sentence(finding: Finding) -> str:
    """Return what the shrunk rates rest on."""
    found = finding.evidence.shrinkage
    if found is None:
        return ""
    if found.correlation == 0:
        of_all = percent(found.mean, 1)
        return f"Shrunk: the groups spread no more than sampling makes them; borrowing, each would have the rate of all, {of_all}."
    return (
        f"Shrunk: a small group’s rate borrows from the others, towards {percent(found.mean, 1)}; for display, never for a verdict "
        "(its interval takes the spread between groups for known)."
    )
