"""Can a verdict be trusted? One line, without p-values, for everything that could overturn it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.results import AuditResult, Finding, Results
from reports.text import phrases, replicates, sentences
from reports.text.evidence import near_ties_sentence, shifted, unequal_labels_sentence
from reports.text.numbers import count, in_words, percent
from reports.text.order import planned
from reports.text.responsiveness import composition_sentence, look_line


@dataclass(frozen=True)
class TrustLine:
    """One thing that could overturn a verdict, and the section with the numbers."""

    term: str
    sentence: str
    section: str
    """Name of the section, if any."""


def trust_lines(audit: AuditResult, results: Results) -> tuple[TrustLine, ...]:
    """Return one line for everything that was tried, in the order of `_LINES`; the last one is about replicates of the model."""
    primary = planned(audit.findings)
    lines = ((term, sentence(audit, primary), section) for term, sentence, section in _LINES)
    repeated = replicates.trust_line(results, audit)
    return (
        *(TrustLine(term, text, section) for term, text, section in lines if text),
        *([TrustLine("Replicates", repeated, "replicates")] if repeated else []),
    )


def _images(audit: AuditResult, primary: Sequence[Finding]) -> str:
    """Say in which measurements the answers beat a constant answer; if they do not, the headline says so."""
    return look_line(audit)


def _prompts(audit: AuditResult, primary: Sequence[Finding]) -> str:
    curves = [curve for curve in audit.specifications if curve.share_same_sign is not None]
    if not curves:
        untried = audit.measurements and not (phrases.answers_only(audit.model) or audit.model.labels or audit.specifications)
        return _untried(audit) if untried else ""
    sensitive = [curve.question.rstrip(".") for curve in curves if sentences.is_prompt_sensitive(curve)]
    tried = in_words(max(len(curve.points) for curve in curves), "prompt template")
    if not sensitive:
        return f"Across up to {tried}, {_all(len(curves), 'answer')} keep{'s' if len(curves) == 1 else ''} the direction of the default."
    return f"Across up to {tried}, {len(sensitive)} of {in_words(len(curves), 'answer')} depend on the prompt: {phrases.some(sensitive)}."


def _untried(audit: AuditResult) -> str:
    """Say that no other prompts were tried, and how many were averaged for an answer if there were several."""
    averaged = max((len(prompts) for record in audit.measurements for prompts in record.prompts.values()), default=0)
    if averaged > 1:
        return (
            f"Up to {in_words(averaged, 'prompt')} per answer were averaged; their answers one by one, and other prompts, were not tried."
        )
    return "One prompt was used; other prompts were not tried."


def _control(audit: AuditResult, primary: Sequence[Finding]) -> str:
    control = audit.untrained_control
    if control is None:
        return ""
    disparities = sum(finding.verdict == "disparity" for finding in control.findings)
    return (
        f"The same architecture with untrained weights shows a disparity in {disparities} of {in_words(len(control.findings), 'question')}."
    )


def _labels(audit: AuditResult, primary: Sequence[Finding]) -> str:
    """Name the disparity that the smallest share of wrong labels would overturn."""
    tipping = [
        (finding.evidence.label_noise.tipping_point, finding)
        for finding in primary
        if finding.evidence.label_noise and finding.evidence.label_noise.tipping_point
    ]
    if not tipping:
        return ""
    least, finding = min(tipping, key=lambda pair: pair[0].share)
    n = phrases.rate_of(finding, least.worst).n
    of = f"{count(least.images)} of {count(n)} labels of {phrases.group(least.worst)} ({percent(least.share, 1)})"
    which = "" if len(tipping) == 1 else f", {sentences.title(finding, audit)}"
    return f"Mislabelled images needed to overturn the {'disparity' if len(tipping) == 1 else 'weakest disparity'}{which}: {of}."


def _unequal_labels(audit: AuditResult, primary: Sequence[Finding]) -> str:
    return next(filter(None, map(unequal_labels_sentence, primary)), "")


def _other_attributes(audit: AuditResult, primary: Sequence[Finding]) -> str:
    judged = [finding for finding in primary if finding.verdict != "not estimable"]
    adjusted = [finding for finding in judged if finding.evidence.adjustment and finding.evidence.adjustment.pairs]
    if not adjusted:
        return ""
    changed = [(finding, pair) for finding in adjusted if (pair := shifted(finding))]
    if not changed:
        keep = "keeps its direction and most of its size" if len(adjusted) == 1 else "keep their direction and most of their size"
        return f"Adjusted for other attributes, {_all(len(adjusted), 'difference')} {keep}."
    named = [f"{sentences.title(finding, audit)} is {pair.shift} at equal {phrases.equal(pair.others)}" for finding, pair in changed]
    return f"Adjusted for other attributes, {len(changed)} of {in_words(len(adjusted), 'difference')} change: {phrases.some(named)}."


def _composition(audit: AuditResult, primary: Sequence[Finding]) -> str:
    explained = [sentences.title(finding, audit) for finding in primary if composition_sentence(finding)]
    return f"Explained by it: {phrases.some(explained)}." if explained else ""


def _small_groups(audit: AuditResult, primary: Sequence[Finding]) -> str:
    outside = {cell.group for finding in primary for cell in finding.by_group if cell.status != "ok"}
    compared = {cell.group for finding in primary for cell in finding.by_group if cell.status == "ok"}
    if not outside:
        return f"All {count(len(compared))} groups of the planned questions have enough images." if compared else ""
    named = phrases.some([phrases.group(group) for group in sorted(outside)])
    return f"Too small to compare in some questions: {in_words(len(outside), 'group')} ({named})."


def _near_ties(audit: AuditResult, primary: Sequence[Finding]) -> str:
    if not any(record.evidence.near_ties for record in audit.measurements):
        return ""
    return near_ties_sentence(audit, {finding.id: sentences.title(finding, audit) for finding in primary})


def _all(many: int, noun: str) -> str:
    """Return ``the answer``, ``both answers`` or ``all 5 answers``."""
    return f"the {noun}" if many == 1 else f"both {noun}s" if many == 2 else f"all {in_words(many, noun)}"


_LINES: Sequence[tuple[str, Callable[[AuditResult, Sequence[Finding]], str], str]] = (
    ("Use of the images", _images, "prompts"),
    ("Prompt", _prompts, "prompt-sensitivity"),
    ("Untrained control", _control, "controls"),
    ("Wrong labels", _labels, "robustness"),
    ("Unequal label errors", _unequal_labels, "robustness"),
    ("Other attributes", _other_attributes, "adjustment"),
    ("Group composition", _composition, "method"),
    ("Small groups", _small_groups, "data"),
    ("Near-ties", _near_ties, "robustness"),
)
"""Term, function that returns the sentence (empty: no line), and section with the numbers."""
