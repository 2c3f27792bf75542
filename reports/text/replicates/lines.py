"""Sentences about several checkpoints or seeds of one model together."""

from __future__ import annotations

from audit.records.replicates import MeanGap, ReplicatedGap, Replicates
from audit.results import AuditResult, Results
from audit.statistics.severity import by_severity
from reports.text import phrases, sentences
from reports.text.numbers import exact_points, in_words, number, points
from reports.text.replicates import cells


def ordered(replicates: Replicates, results: Results) -> list[tuple[ReplicatedGap, str]]:
    """Return the questions with their titles: those with most disparities first, then the widest mean gaps."""
    audit = results.audits[replicates.audits[0]]
    findings = {finding.id: finding for finding in audit.findings}

    def rank(question: ReplicatedGap) -> tuple[object, ...]:
        return (
            -question.verdicts.count("disparity"),
            -(question.mean.value if question.mean else -1.0),
            by_severity(findings[question.finding]),
        )

    return [(question, sentences.title(findings[question.finding], audit)) for question in sorted(replicates.findings, key=rank)]


def replicates_of(results: Results, audit: AuditResult) -> Replicates | None:
    """Return the replicates to which an audit belongs, if any."""
    return next((replicate for replicate in results.replicates if any(results.audits[i] is audit for i in replicate.audits)), None)


def names(replicates: Replicates, results: Results) -> str:
    """Return the names of the replicates."""
    return phrases.some([phrases.group((results.audits[audit].model.name,)) for audit in replicates.audits])


def introduction(replicates: Replicates, results: Results) -> str:
    """Name the replicates, and say in how many questions they reach the same verdict."""
    alike, of = sum(len(set(finding.verdicts)) == 1 for finding in replicates.findings), len(replicates.findings)
    start = f"{in_words(len(replicates.audits), 'replicate')} of one model: {names(replicates, results)}."
    if not of:
        return f"{start} Only planned questions are combined; these are exploratory."
    return f"{start} They reach the same verdict in {alike} of {in_words(of, 'planned question')}."


def question_sentence(question: ReplicatedGap, title: str, alpha: float) -> str:
    """Return the result of the replicates for a question: groups first, then the number, then its uncertainty."""
    mean, digits = question.mean, cells.places(question)
    if mean is None:
        return f"{title}: fewer than two groups can be compared in every replicate."
    level = f"{100 * (1 - alpha):g} %"
    interval = f"{level} interval over images and replicates {number(mean.low, digits)} to {number(mean.high, digits)}"
    turned = f"; {cells.turned_text(question)}" if cells.turned_text(question) else ""
    return (
        f"{title}: {phrases.group(mean.lowest)} lies {points(mean.value, digits)} below {phrases.group(mean.highest)} on average over "
        f"{in_words(len(question.gaps), 'replicate')} ({interval}){turned}. Their gaps: {cells.gaps_text(question)} points, standard "
        f"deviation {cells.deviation_text(question)}; {cells.verdicts_text(question)}.{_needed(mean)}"
    )


def _needed(mean: MeanGap) -> str:
    """Say, after a space, how many models would make the interval as narrow as the tolerance; empty for more than two replicates."""
    if mean.needed is None:
        return ""
    start = " Two models hardly show how much models differ: the interval rests on one degree of freedom."
    goal, leave = exact_points(mean.needed.half_width), points(mean.needed.images, 1)
    if mean.needed.replicates is None:
        return f"{start} The images alone leave ±{leave}, so more models alone would not bring it to ±{goal}."
    return f"{start} If others vary as these two do, {cells.models_needed(mean.needed)} would bring it to ±{goal}."


def trust_line(results: Results, audit: AuditResult) -> str:
    """Return the result of the replicates for the first question of an audit; empty if there are no replicates."""
    replicates = replicates_of(results, audit)
    if replicates is None or not replicates.findings:
        return ""
    return question_sentence(*ordered(replicates, results)[0], results.settings.alpha)
