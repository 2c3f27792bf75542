"""What several checkpoints or seeds of one model say together: records in, sentences and cells out."""

from __future__ import annotations

from collections import Counter

from audit.records.replicates import ReplicatedGap, Replicates
from audit.records.results import AuditResult, Finding, Results
from reports.text import phrases, sentences
from reports.text.numbers import NOT_ESTIMABLE, decimals, in_words, number, points
from reports.text.order import by_severity

_MOST_GAPS = 10
"""Replicates up to which each gap is printed; of more the smallest and the largest."""


def ordered(replicates: Replicates, results: Results) -> list[tuple[ReplicatedGap, Finding]]:
    """Return the questions, each with its finding in the first replicate: those with most disparities first, then the widest mean gaps."""
    findings = {finding.id: finding for finding in results.audits[replicates.audits[0]].findings}

    def place(asked: tuple[ReplicatedGap, Finding]) -> tuple[object, ...]:
        each, finding = asked
        return -each.verdicts.count("disparity"), -(each.mean.value if each.mean else -1.0), by_severity(finding)

    return sorted(((each, findings[each.finding]) for each in replicates.findings), key=place)


def names(replicates: Replicates, results: Results) -> str:
    """Return the names of the replicates."""
    return phrases.some([phrases.group((results.audits[place].model.name,)) for place in replicates.audits])


def lead(replicates: Replicates, results: Results) -> str:
    """Return who the replicates are, and in how many questions they reach one verdict."""
    alike, of = sum(len(set(each.verdicts)) == 1 for each in replicates.findings), len(replicates.findings)
    start = f"{in_words(len(replicates.audits), 'replicate')} of one model: {names(replicates, results)}."
    if not of:
        return f"{start} Only pre-specified questions are taken together, and there is none."
    return f"{start} They reach the same verdict in {alike} of {in_words(of, 'pre-specified question')}."


def verdicts_text(each: ReplicatedGap) -> str:
    """Return how many replicates reach each verdict: ``disparity in 2, inconclusive in 1 of 3``."""
    counted = ", ".join(f"{verdict} in {many}" for verdict, many in Counter(each.verdicts).most_common())
    return f"{counted} of {len(each.verdicts)}"


def gaps_text(each: ReplicatedGap) -> str:
    """Return the gap of every replicate, in points: ``16, 15, 9``."""
    known, places = [gap for gap in each.gaps if gap is not None], _places(each)
    if len(each.gaps) > _MOST_GAPS and known:
        return f"{number(min(known), places)} to {number(max(known), places)}"
    return ", ".join("–" if gap is None else number(gap, places) for gap in each.gaps)


def deviation_text(each: ReplicatedGap) -> str:
    """Return the standard deviation between replicates, in points."""
    return NOT_ESTIMABLE if each.standard_deviation is None else number(each.standard_deviation, max(_places(each), 1))


def turned_text(each: ReplicatedGap) -> str:
    """Return in how many replicates the two groups that lie farthest apart on average change places; empty where in none."""
    turned = sum(difference < 0 for difference in each.mean.differences) if each.mean else 0
    return f"the other way round in {turned} of {len(each.gaps)}" if turned else ""


def question_sentence(each: ReplicatedGap, finding: Finding, results: Results) -> str:
    """Return what the replicates say to a question: groups first, then the number, then its uncertainty."""
    title = sentences.title(finding, results.audits[0])
    mean, places = each.mean, _places(each)
    if mean is None:
        return f"{title}: fewer than two groups can be compared in every replicate."
    level = f"{100 * (1 - results.settings.alpha):g} %"
    interval = f"{level} interval over images and replicates {number(mean.low, places)} to {number(mean.high, places)}"
    turned = f"; {turned_text(each)}" if turned_text(each) else ""
    return (
        f"{title}: {phrases.group(mean.lowest)} lies {points(mean.value, places)} below {phrases.group(mean.highest)} on average over "
        f"{in_words(len(each.gaps), 'replicate')} ({interval}){turned}. Their gaps: {gaps_text(each)} points, standard deviation "
        f"{deviation_text(each)}; {verdicts_text(each)}."
    )


def trust_line(results: Results, audit: AuditResult) -> str:
    """Return what replicates say to the first question of an audit; empty where there are none."""
    found = next((each for each in results.replicates if any(results.audits[place] is audit for place in each.audits)), None)
    if found is None or not found.findings:
        return ""
    return question_sentence(*ordered(found, results)[0], results)


def _places(each: ReplicatedGap) -> int:
    return decimals(each.mean.low, each.mean.high) if each.mean else 1
