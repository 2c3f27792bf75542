"""Sentences about an audit and its findings.

They never say "fair" or "passed"; if neither side of a metric is better, groups differ, and none is worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.evidence.prompt_sensitivity import SpecificationCurve, VarianceShares
from audit.gates.parse import NamedQuestion
from audit.records.base import FindingVerdict
from audit.records.finding import CellStatus, PairedFinding, Rate
from audit.results import AuditResult, Finding, Results
from audit.types import Note, Settings
from reports.text.evidence import shift_sentence, within_sentence
from reports.text.numbers import (
    count,
    decimals,
    difference,
    in_words,
    number,
    p_phrase,
    percent,
    points,
    rate,
    upper_first,
)
from reports.text.order import signals_of, strongest_signals
from reports.text.phrases import (
    answers_only,
    attributes,
    chance_text,
    detectable_text,
    diffuse,
    gap_text,
    group,
    leading_groups,
    paired_title,
    rate_of,
    sized,
    some,
    tolerances,
)
from reports.text.reasons import p_words, ratio_sentences
from reports.text.responsiveness import composition_sentence, why_unresponsive

SAME_SIGN_SHARE = 0.8
"""An answer is sensitive to the prompt if fewer prompt templates than this share have the sign of the default."""
NOT_A_CERTIFICATE = (
    "An audit measures a model on labelled data. It is not a certificate, it does not cover what was not tested, and neither it nor the "
    "data may be used to classify people."
)
AT_EQUAL_TRUTH = "at equal true shares"
"""Marks a share given whose truth is known, as it would be if the true answer were equally common in all groups."""
_DEFAULT_PROBE = "predictions"
"""The probe of a file of predictions for which no other probe was named on the command line."""


@dataclass(frozen=True)
class VerdictWords:
    """A verdict in readable form: one word or a few, and what it means for a question."""

    word: str
    meaning: str


VERDICTS: dict[FindingVerdict, VerdictWords] = {
    "disparity": VerdictWords(
        "Disparity",
        "In the tested rate, groups differ by more than chance alone would explain, and equivalence within the tolerance is not shown.",
    ),
    "equivalent": VerdictWords(
        "Equivalent",
        "In the tested rate, there is evidence that any two compared groups differ by less than the tolerance. This holds only for that "
        "rate and those groups: equal accuracy may hide errors of opposite kinds.",
    ),
    "inconclusive": VerdictWords(
        "Inconclusive",
        "It is undecided whether the groups differ. More images might settle it. Absence of evidence is not evidence of absence.",
    ),
    "not estimable": VerdictWords(
        "Not estimable",
        "Fewer than two groups have enough images that count for the metric (and, if images come in clusters, in enough clusters); or "
        "there is no evidence that the answers depend on the images: they agree with the labels no more often than a constant answer does.",
    ),
    "signal": VerdictWords(
        "Signal",
        "For an exploratory comparison: the groups differ by more than chance alone would explain, even after correction for all "
        "exploratory comparisons of the audit (Benjamini-Hochberg). Not planned: a reason to test again with new images, not a verdict.",
    ),
    "no signal": VerdictWords(
        "No signal",
        "For an exploratory comparison: after that correction, no difference is significant. It is undecided whether the groups differ. "
        "A limited run has no signals.",
    ),
}
STATUSES: dict[CellStatus, str] = {
    "ok": "compared", "small": "too few to judge", "not estimable": "no images of this kind", "absent": "no images",
    "unknown": "value unknown",
}  # fmt: skip
_METRICS = {
    "selection_rate": "share given",
    "true_positive_rate": "true positive rate for",
    "false_negative_rate": "false negative rate for",
    "false_positive_rate": "false positive rate for",
    "true_negative_rate": "true negative rate for",
    "rate_among_answered": "share of those answered with",
    "retrieval_rate": "share of images",
}


def subject(finding: Finding, audit: AuditResult) -> str:
    """Return what was measured: ``Role accuracy`` or ``Share given ‘thief’ (harm-21)``."""
    return subject_of(finding, truth_of(finding, audit))


def truth_of(finding: Finding, audit: AuditResult) -> str | None:
    """Return the attribute that holds the true answer."""
    return next((record.truth for record in audit.measurements if record.name == finding.measurement), None)


def subject_of(finding: NamedQuestion, truth: str | None) -> str:
    """Return what was measured, given the attribute that holds the true answer."""
    same = finding.outcome is None and (truth or "").replace("_", "-").lower() == finding.measurement.replace("_", "-").lower()
    return upper_first(metric_of(finding, truth)) + ("" if same else f" ({finding.measurement})")


def metric_of(finding: NamedQuestion, truth: str | None) -> str:
    """Return the rate that was tested: ``role accuracy`` or ``share given ‘thief’``."""
    metric = attributes([finding.metric])
    if finding.outcome is not None:
        equal = f" {AT_EQUAL_TRUTH}" if isinstance(finding, Finding) and finding.shares else ""
        return f"{_METRICS.get(finding.metric, f'{metric} for')} ‘{finding.outcome}’{equal}"
    # In external predictions, the column of true answers has no telling name.
    return metric if truth in (None, "y_true") else f"{attributes([truth])} {metric}"


def audits_title(results: Results) -> str:
    """Name the models that were audited, and the probes."""
    models = tuple(dict.fromkeys(audit.model.name for audit in results.audits))
    probes = tuple(dict.fromkeys(audit.probe.name for audit in results.audits))
    model = models[0] if len(models) == 1 else in_words(len(models), "model")
    if results.audits and all(answers_only(audit.model) for audit in results.audits):
        # Without a name in the file, answers are called after it; a log, or --name, names the model.
        files = {str(note.values.get("file")) for audit in results.audits for note in map(Note.of, audit.model.notes)}
        model = f"the answers {'in' if len(models) == 1 and models[0] in files else 'of'} {model}"
    probe = f"the {probes[0]} probe" if len(probes) == 1 else in_words(len(probes), "probe")
    return f"Audit of {model}" if probes == (_DEFAULT_PROBE,) else f"Audit of {model} with {probe}"


def images(audit: AuditResult) -> str:
    """Return the data and how many images: ``FairFace, 10,954 images in 40 clusters (by person), weighted by “w”``."""
    data = audit.data
    clusters = "" if data.clusters is None else f" in {in_words(data.clusters, 'cluster')} (by {attributes([data.cluster or ''])})"
    weights = "" if data.weights is None else f", weighted by “{data.weights}”"
    name = "" if answers_only(audit.model) else f"{data.name}, "  # a file of answers is data and model
    number = in_words(data.used, "image") if data.listed else "no images"
    return f"{name}{number}{clusters}{weights}"


def title(finding: Finding, audit: AuditResult) -> str:
    """Return a finding's name: ``Role accuracy by gender``."""
    return f"{subject(finding, audit)} by {attributes(finding.attributes)}"


def headline(finding: Finding, audit: AuditResult) -> str:
    """Return a finding as a sentence: the rates of both groups with n and interval, the gap, its p, and what is expected by chance."""
    if finding.gap is None:
        return f"{title(finding, audit)} is not estimable: fewer than two groups have enough images that count."
    first, second = (rate_of(finding, levels) for levels in leading_groups(finding))
    chance = diffuse(finding) if finding.diffuse else f"Expected by chance (95\u00a0%): up to {chance_text(finding)}."
    gap = f"{'widest gap' if finding.diffuse else 'gap'} {gap_text(finding)}, {p_words(finding, audit, finding.gap)}. {chance}"
    beside = f"{_after(finding, metric_of(finding, truth_of(finding, audit)))}{_looked(finding, audit)}"
    explained = " ".join(filter(None, [within_sentence(finding), shift_sentence(finding)]))
    return f"{subject(finding, audit)} is {_rate_for(first)} against {_rate_for(second)}: {gap}{beside} {explained}".rstrip()


def _looked(finding: Finding, audit: AuditResult) -> str:
    """Say that the answers do not depend on the images, or that group composition explains a gap, if so."""
    why, composed = why_unresponsive(finding, audit), composition_sentence(finding)
    return "".join(f" {text}" for text in (f"This says nothing about groups: {why}." if why else "", composed) if text)


def _rate_for(cell: Rate) -> str:
    clusters = "" if cell.clusters is None else f" in {in_words(cell.clusters, 'cluster')}"
    return f"{rate(cell.value, cell.low, cell.high)} for {group(cell.group)} ({sized(cell)}{clusters})"


def _after(finding: Finding, metric: str) -> str:
    """Say what a verdict leaves undecided, and what a difference in points hides if rates are low."""
    missed = f"With this many images, a difference of less than about {detectable_text(finding)} would often be missed."
    if finding.verdict in ("disparity", "inconclusive"):
        return " ".join(["", *[missed] * (finding.verdict == "inconclusive" and not finding.withheld), *ratio_sentences(finding)])
    if finding.verdict == "equivalent":
        within = tolerances(finding)
        return f" There is evidence that, in {metric}, any two compared groups differ by less than {within}."
    return ""


def paired_headline(paired: PairedFinding) -> str:
    """Return a paired finding as a sentence: how often the answer changes, in whose favour, and how sure that is."""
    if paired.n == 0:
        return f"{upper_first(paired_title(paired))} ({paired.measurement}) is not estimable: no complete pairs."
    event = "answered right" if paired.outcome is None else f"given ‘{paired.outcome}’"
    return (
        f"When only {attributes([paired.attribute])} changes from {paired.first} to {paired.second} ({paired.measurement}), "
        f"the answer changes in "
        f"{rate(paired.flip_rate, paired.flip_low, paired.flip_high)} of {in_words(paired.n, 'pair')}. "
        f"Only the {paired.first} image is {event} in {count(paired.only_first_correct)}, only the {paired.second} image in "
        f"{count(paired.only_second_correct)}: net {difference(paired.difference, paired.low, paired.high)} points, "
        f"{p_phrase(paired.p_adjusted, 'adjusted p')} over {in_words(paired.clusters, 'cluster')} "
        f"of one {attributes([paired.cluster_attribute])} each."
    )


def is_prompt_sensitive(curve: SpecificationCurve) -> bool:
    """Whether fewer than `SAME_SIGN_SHARE` of the prompt templates have the sign of the default."""
    return curve.share_same_sign is not None and curve.share_same_sign < SAME_SIGN_SHARE


def curve_sentence(curve: SpecificationCurve, settings: Settings) -> str:
    """Say how much an answer depends on its prompt."""
    if curve.median is None or curve.smallest is None or curve.largest is None:
        return "Not estimable: fewer than two groups have enough images under the default prompt template."
    pair = f"{group(curve.first)} minus {group(curve.second)}"
    estimable = sum(point.difference is not None for point in curve.points)
    places = decimals(curve.smallest, curve.largest)
    runs = (
        f"Across {in_words(estimable, 'prompt template')}, {pair} runs from {number(curve.smallest, places, signed=True)} to "
        f"{number(curve.largest, places, signed=True)} points, with a median of {number(curve.median, places, signed=True)}."
    )
    parts = [_sign_sentence(curve), runs]
    if curve.share_detected is not None:
        detected, level = percent(curve.share_detected), f"p\u00a0≤\u00a0{settings.alpha:g}"
        parts.append(f"{detected} of them detect some gap (Benjamini-Hochberg over the prompt templates, {level}).")
    if curve.joint_p is not None:
        parts.append(f"Test of that median against group labels shuffled in the same way for all templates: {p_phrase(curve.joint_p)}.")
    return " ".join([*parts, *([_shares_sentence(curve, curve.shares)] if curve.shares else [])])


def _sign_sentence(curve: SpecificationCurve) -> str:
    if curve.share_same_sign is None:
        return "Under the default prompt template the two groups do not differ."
    sensitive = "Sensitive to the prompt: only " if is_prompt_sensitive(curve) else ""
    return f"{sensitive}{percent(curve.share_same_sign)} of the prompt templates point the same way as the default."


def _shares_sentence(curve: SpecificationCurve, shares: VarianceShares) -> str:
    """Say where the spread comes from, and across which prompt templates, which may be only some of them."""
    variant, interaction = percent(shares.label_set), percent(shares.interaction)
    parts = f"comes from the prompt template, {variant} from the variant and {interaction} from their interaction."
    if not shares.presets:  # written by an earlier version, which did not record them
        return f"Of the spread, {percent(shares.prompts)} {parts}"
    n = len(shares.presets) * len(shares.variants)
    every = "all" if n == sum(point.difference is not None for point in curve.points) else "the"
    variants = [f"‘{variant}’" for variant in shares.variants]
    named = f"{len(shares.presets)} prompt templates ({some(shares.presets)}) × {len(shares.variants)} variants ({some(variants)})"
    return f"Across {every} {in_words(n, 'combination')} of {named}, {percent(shares.prompts)} of the spread {parts}"


def signals_sentence(audit: AuditResult) -> str:
    """Say how many exploratory comparisons show a signal, marked as not planned; empty if none does."""
    explored = [finding for finding in audit.findings if not finding.primary]
    signals = signals_of(audit.findings)
    if not signals:
        return ""
    total, show = in_words(len(explored), "exploratory comparison"), "shows" if len(signals) == 1 else "show"
    adjusted = "" if len(explored) == 1 else ", after adjustment for all of them"
    listed = _introduced(strongest_signals(audit.findings), signals)
    return (
        f"Not planned: {count(len(signals))} of {total} {show} a signal{adjusted}. This is a reason to test with new images, not a verdict."
        f"{listed}"
    )


def _introduced(shown: Sequence[Finding], signals: Sequence[Finding]) -> str:
    """Introduce a list of some of the signals, strongest first."""
    if len(shown) == len(signals):
        return ""
    if not shown:
        return " Every one of them repeats a rate of a disparity above."
    as_ranked = all(one is other for one, other in zip(shown, signals, strict=False))
    return f" The strongest {len(shown)}:" if as_ranked else " The strongest that repeat no rate of a disparity above:"


def no_signal_sentence(audit: AuditResult) -> str:
    """Say that no exploratory comparison shows a signal, and how large a difference must be to show if that exceeds the tolerance."""
    explored = [finding for finding in audit.findings if not finding.primary and finding.unresponsive != "units"]
    detectable = [(finding.gap.minimum_detectable, finding.tolerance) for finding in explored if finding.gap]
    if not explored:
        return ""
    opening = f"No signal in {in_words(len(explored), 'exploratory comparison')}"
    if not detectable:
        return f"{opening}: none has two groups with enough images."
    least, tolerance = min(detectable)
    if least >= 1:
        return f"{opening}: no difference, however large, could be reliably detected."
    return f"{opening}: at best, only a difference above {points(least, 0)} could be detected." if least > tolerance else f"{opening}."


def exploratory_title(titles: Sequence[str]) -> str:
    """Return the heading of the exploratory comparisons of a measurement, if any."""
    return f"Exploratory: {titles[0] if len(titles) == 1 else in_words(len(titles), 'comparison')}" if titles else ""


def pairs_caption(shown: int, kept: int, of: int) -> str:
    """Say how many of the pairs are shown, and how many are in results.json."""
    caption = "Pairs of groups, most significant first"
    kept_text = "all" if of == kept else count(kept)
    return caption if shown == kept else f"{caption} ({shown} of {count(of)}; {kept_text} are in results.json)"
