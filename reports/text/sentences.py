"""Sentences: every phrase that is built from a result.

Never "fair", never "passed"; and where a metric has no better side, groups differ, none is worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from audit.records.results import AuditResult, CellStatus, Finding, PairedFinding, Rate, SpecificationCurve, Verdict
from audit.types import Group, Settings
from reports.text.numbers import count, decimals, difference, exact_points, in_words, number, p_phrase, percent, points, rate
from reports.text.phrases import WIDE_ELSEWHERE, attributes, detectable_text, gap_places, gap_text, group, paired_title, rate_of, some

WORDING_SHARE = 0.8
"""Below this share of wordings with the default's sign, an answer depends on wording."""
_OUTSIDE = {
    "small": ("has too few images to judge", "have too few images to judge"),
    "not estimable": ("has nothing to divide by", "have nothing to divide by"),
    "absent": ("has no images", "have no images"),
    "unknown": ("is of unknown value", "are of unknown value"),
}


@dataclass(frozen=True)
class VerdictWords:
    """A verdict for a reader: one word, and what it means of a question."""

    word: str
    meaning: str


VERDICTS: dict[Verdict, VerdictWords] = {
    "disparity": VerdictWords(
        "Disparity",
        "The groups differ by more than chance explains, and are not shown to differ by less than the tolerance.",
    ),
    "equivalent": VerdictWords(
        "Equivalent",
        "Every two groups compared are shown to differ by less than the tolerance. A statement about the groups tested, and nothing else.",
    ),
    "inconclusive": VerdictWords(
        "Inconclusive",
        "Neither a difference nor its absence is shown. More images might show either. Not finding a difference is not finding none.",
    ),
    "not estimable": VerdictWords(
        "Not estimable",
        "Fewer than two groups have enough images that count for the metric, in enough clusters where images come in clusters.",
    ),
}
STATUSES: dict[CellStatus, str] = {
    "ok": "compared",
    "small": "too few to judge",
    "not estimable": "nothing to divide by",
    "absent": "no images",
    "unknown": "value missing",
}
_METRICS = {
    "selection_rate": "Share given",
    "true_positive_rate": "True positive rate for",
    "false_negative_rate": "False negative rate for",
    "false_positive_rate": "False positive rate for",
    "true_negative_rate": "True negative rate for",
    "precision": "Precision for",
}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def subject(finding: Finding, audit: AuditResult) -> str:
    """Return what was measured: ``Occupation accuracy`` or ``Share given ‘thief’ (harm-21)``."""
    measurement = next((record for record in audit.measurements if record.name == finding.measurement), None)
    return subject_of(finding, measurement.truth if measurement else None)


class Asked(Protocol):
    """What names a question: a finding, or its change between models."""

    @property
    def measurement(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def outcome(self) -> str | None: ...


def subject_of(finding: Asked, truth: str | None) -> str:
    """Return what was measured, given the attribute that holds the true answer."""
    place = f" ({finding.measurement})"
    if finding.outcome is not None:
        return f"{_METRICS.get(finding.metric, _upper(attributes([finding.metric])) + ' for')} ‘{finding.outcome}’{place}"
    if truth in (None, "y_true"):  # of predictions made elsewhere the column of true answers has no name of its own
        return _upper(attributes([finding.metric])) + place
    same = truth.replace("_", "-").lower() == finding.measurement.replace("_", "-").lower()
    return _upper(f"{attributes([truth])} {attributes([finding.metric])}") + ("" if same else place)


def title(finding: Finding, audit: AuditResult) -> str:
    """Return a finding's name: ``Occupation accuracy by gender``."""
    return f"{subject(finding, audit)} by {attributes(finding.attributes)}"


def headline(finding: Finding, audit: AuditResult) -> str:
    """Return a finding as a sentence: both ends of the gap with n and interval, its size, its p, and what chance alone gives."""
    if finding.gap is None:
        return f"{title(finding, audit)} is not estimable: fewer than two groups have enough images that count."
    gap = finding.gap
    order = (gap.lowest, gap.highest) if finding.better == "high" else (gap.highest, gap.lowest)
    first, second = (rate_of(finding, levels) for levels in order)
    return (
        f"{subject(finding, audit)} is {_rate_for(first)} against {_rate_for(second)}: gap {gap_text(finding)}, "
        f"{_p_text(finding)}; chance alone gives up to {points(gap.null_95, gap_places(finding))}."
        f"{_clearest(finding)}{_after(finding)}"
    )


def _clearest(finding: Finding) -> str:
    """Name the pair that the test is of, where it rejects and the widest is another, or no wider than chance makes some pair."""
    ends = finding.gap and finding.gap.most_significant
    if not finding.pairs or not finding.gap or not ends:
        return ""
    if ends == (finding.gap.highest, finding.gap.lowest):
        return f" {WIDE_ELSEWHERE}" if finding.gap.value <= finding.gap.null_95 else ""
    first, second = (rate_of(finding, levels) for levels in (ends[::-1] if finding.better == "high" else ends))
    return f" Clearest, beside what chance moves them by: {_rate_for(first)} against {_rate_for(second)}."


def _rate_for(cell: Rate) -> str:
    clusters = "" if cell.clusters is None else f" in {in_words(cell.clusters, 'cluster')}"
    return f"{rate(cell.value, cell.low, cell.high)} for {group(cell.group)} (n\u00a0=\u00a0{count(cell.n)}{clusters})"


def _p_text(finding: Finding) -> str:
    if finding.gap is None:
        return "not estimable"
    return p_phrase(finding.gap.p_adjusted, "adjusted p" if finding.primary else "p")


def _after(finding: Finding) -> str:
    """What a verdict other than disparity leaves open."""
    if finding.verdict == "inconclusive":
        return f" With this many images, a difference of less than about {detectable_text(finding)} would often be missed."
    if finding.verdict == "equivalent":
        return f" Every two groups compared are shown to differ by less than {exact_points(finding.tolerance)}."
    return ""


def by_clarity(paired: PairedFinding) -> tuple[float, float]:
    """Sort key: small adjusted p first, then large differences."""
    return (paired.p_adjusted, -abs(paired.difference or 0.0))


def paired_headline(paired: PairedFinding) -> str:
    """Return a paired finding as a sentence: how often the answer changes, in whose favour, and how sure that is."""
    if paired.n == 0:
        return f"{_upper(paired_title(paired))} ({paired.measurement}) is not estimable: no pair is complete."
    return (
        f"When only {attributes([paired.attribute])} changes from {paired.first} to {paired.second} ({paired.measurement}), "
        f"the answer changes in "
        f"{rate(paired.flip_rate, paired.flip_low, paired.flip_high)} of {in_words(paired.n, 'pair')}. "
        f"Only the {paired.first} image is answered right in {count(paired.only_first_correct)}, only the {paired.second} image in "
        f"{count(paired.only_second_correct)}: net {difference(paired.difference, paired.low, paired.high)} points, "
        f"{p_phrase(paired.p_adjusted, 'adjusted p')} over {in_words(paired.clusters, 'cluster')} "
        f"of one {attributes([paired.cluster_attribute])} each."
    )


def depends_on_wording(curve: SpecificationCurve) -> bool:
    """Whether fewer than `WORDING_SHARE` of the wordings point the way that the default points."""
    return curve.share_same_sign is not None and curve.share_same_sign < WORDING_SHARE


def curve_sentence(curve: SpecificationCurve, settings: Settings) -> str:
    """Return how far an answer depends on how it was asked."""
    if curve.median is None or curve.smallest is None or curve.largest is None:
        return "Not estimable: the default wording has no two groups with enough images."
    pair = f"{group(curve.first)} minus {group(curve.second)}"
    estimable = sum(point.difference is not None for point in curve.points)
    places = decimals(curve.smallest, curve.largest)
    runs = (
        f"Over {in_words(estimable, 'wording')}, {pair} runs from {number(curve.smallest, places, signed=True)} to "
        f"{number(curve.largest, places, signed=True)} points, with a median of {number(curve.median, places, signed=True)}."
    )
    return " ".join([*_sign_sentence(curve), runs, *_detected_sentence(curve, settings), *_joint_sentence(curve), *_shares_sentence(curve)])


def _sign_sentence(curve: SpecificationCurve) -> list[str]:
    if curve.share_same_sign is None:
        return ["Under the default wording the two groups do not differ."]
    share = percent(curve.share_same_sign)
    if depends_on_wording(curve):
        return [f"Depends on wording: only {share} of the wordings point the same way as the default."]
    return [f"{share} of the wordings point the same way as the default."]


def _detected_sentence(curve: SpecificationCurve, settings: Settings) -> list[str]:
    if curve.share_detected is None:
        return []
    return [
        f"{percent(curve.share_detected)} of them detect some gap (Benjamini-Hochberg over the wordings, p\u00a0≤\u00a0{settings.alpha:g})."
    ]


def _joint_sentence(curve: SpecificationCurve) -> list[str]:
    if curve.joint_p is None:
        return []
    return [f"That median against group labels shuffled alike for every wording: {p_phrase(curve.joint_p)}."]


def _shares_sentence(curve: SpecificationCurve) -> list[str]:
    """Return where the spread comes from, and of which wordings: they need not be all."""
    shares = curve.shares
    if shares is None:
        return []
    parts = f"follows the prompts, {percent(shares.label_set)} the variant and {percent(shares.interaction)} their interplay."
    if not shares.presets:  # written by an earlier version, which did not say
        return [f"Of the spread, {percent(shares.prompts)} {parts}"]
    n = len(shares.presets) * len(shares.variants)
    every = "all" if n == sum(point.difference is not None for point in curve.points) else "the"
    variants = [f"‘{variant}’" for variant in shares.variants]
    named = f"{len(shares.presets)} prompt sets ({some(shares.presets)}) × {len(shares.variants)} variants ({some(variants)})"
    return [f"Over {every} {in_words(n, 'wording')} of {named}, {percent(shares.prompts)} of the spread {parts}"]


def left_out(audit: AuditResult) -> tuple[str, ...]:
    """Return one sentence for each reason why groups are outside a comparison; groups of primary findings are named first."""
    cells = [cell for finding in sorted(audit.findings, key=lambda each: not each.primary) for cell in finding.by_group]
    sentences = []
    for status, (one, many) in _OUTSIDE.items():
        named: dict[Group, str] = {}
        for cell in cells:
            if cell.status == status:
                named.setdefault(cell.group, f"{group(cell.group)} (n\u00a0=\u00a0{count(cell.n)})")
        if named:
            verb = one if len(named) == 1 else many
            sentences.append(f"{in_words(len(named), 'group')} {verb} in at least one comparison: {some(list(named.values()))}.")
    return tuple(sentences)
