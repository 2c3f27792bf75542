"""What several checkpoints or seeds of one model say together: records in, sentences out."""

from __future__ import annotations

from audit.records.replicates import ReplicatedGap, Replicates
from audit.results import AuditResult, Results
from reports.text import phrases, sentences
from reports.text.numbers import in_words, number, points
from reports.text.order import by_severity
from reports.text.replicates import cells


def ordered(replicates: Replicates, results: Results) -> list[tuple[ReplicatedGap, str]]:
    """Return the questions with their titles: those with most disparities first, then the widest mean gaps."""
    audit = results.audits[replicates.audits[0]]
    findings = {finding.id: finding for finding in audit.findings}

    def place(each: ReplicatedGap) -> tuple[object, ...]:
        return -each.verdicts.count("disparity"), -(each.mean.value if each.mean else -1.0), by_severity(findings[each.finding])

    return [(each, sentences.title(findings[each.finding], audit)) for each in sorted(replicates.findings, key=place)]


def names(replicates: Replicates, results: Results) -> str:
    """Return the names of the replicates."""
    return phrases.some([phrases.group((results.audits[audit].model.name,)) for audit in replicates.audits])


def introduction(replicates: Replicates, results: Results) -> str:
    """Return who the replicates are, and in how many questions they reach one verdict."""
    alike, of = sum(len(set(finding.verdicts)) == 1 for finding in replicates.findings), len(replicates.findings)
    start = f"{in_words(len(replicates.audits), 'replicate')} of one model: {names(replicates, results)}."
    if not of:
        return f"{start} Only pre-specified questions are taken together; these are exploratory."
    return f"{start} They reach the same verdict in {alike} of {in_words(of, 'pre-specified question')}."


def question_sentence(each: ReplicatedGap, title: str, alpha: float) -> str:
    """Return what the replicates say to a question: groups first, then the number, then its uncertainty."""
    mean, digits = each.mean, cells.places(each)
    if mean is None:
        return f"{title}: fewer than two groups can be compared in every replicate."
    level = f"{100 * (1 - alpha):g} %"
    interval = f"{level} interval over images and replicates {number(mean.low, digits)} to {number(mean.high, digits)}"
    turned = f"; {cells.turned_text(each)}" if cells.turned_text(each) else ""
    return (
        f"{title}: {phrases.group(mean.lowest)} lies {points(mean.value, digits)} below {phrases.group(mean.highest)} on average over "
        f"{in_words(len(each.gaps), 'replicate')} ({interval}){turned}. Their gaps: {cells.gaps_text(each)} points, standard deviation "
        f"{cells.deviation_text(each)}; {cells.verdicts_text(each)}."
    )


def trust_line(results: Results, audit: AuditResult) -> str:
    """Return what replicates say to the first question of an audit; empty where there are none."""
    found = next((replicate for replicate in results.replicates if any(results.audits[place] is audit for place in replicate.audits)), None)
    if found is None or not found.findings:
        return ""
    return question_sentence(*ordered(found, results)[0], results.settings.alpha)
