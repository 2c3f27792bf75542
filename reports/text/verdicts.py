"""The first sentence of a report: an audit or a comparison in, its verdict in words out, true for every mix of questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.records.comparison import Change, Comparison
from audit.records.results import AuditResult, Finding
from reports.text import comparison as comparison_text
from reports.text import phrases, sentences
from reports.text.numbers import in_words
from reports.text.order import by_severity
from reports.text.responsiveness import BLIND, composition_sentence, lead

_OF_AUDIT = {
    "disparity": "answers differ between groups by more than chance explains",
    "equivalent": "every two groups compared are shown to differ by less than the tolerance",
    "inconclusive": "these images show neither a difference between groups nor its absence",
}
_AGREEMENT = "answers agree with the labels less often for {worse} than for {better}, by more than chance explains"
_OF_COMPARISON = {
    "gap reversed": "groups changed places: who had the higher rate before has the lower after",
    "gap grew": "the groups lie further apart after than before, by more than chance explains",
    "gap shrank": "the groups lie closer together after than before, by more than chance explains; what is left may still matter",
    "equivalent": "every difference between two groups compared is shown to have changed by less than the tolerance",
    "inconclusive": "these images show neither a change of the gap nor its absence",
}
_NAMED = ("disparity", "equivalent")
"""What was shown of groups was shown of some rates, which are named."""
_MOST_RATES = 3


@dataclass(frozen=True)
class VerdictSentence:
    """A verdict for a reader: one word or a few, and a sentence about the questions that it stands for."""

    word: str
    sentence: str
    lead: str = ""
    """What comes before any verdict: that the model does not look at the images."""


EXPLORATORY_ONLY = VerdictSentence("No verdict", "Every comparison is exploratory.")


@dataclass(frozen=True)
class _Asked:
    """A pre-specified question and how it ended."""

    verdict: str
    rate: str
    by: str


def verdict_sentence(audit: AuditResult) -> VerdictSentence:
    """Return the verdict of an audit in sentences."""
    verdict, explained = _verdict_sentence(audit), sum(bool(composition_sentence(each)) for each in audit.findings if each.primary)
    composed = f" Group composition explains the gap in {explained} of them." if explained and audit.verdict == "disparity" else ""
    return replace(verdict, sentence=verdict.sentence + composed, lead=lead(audit))


def _verdict_sentence(audit: AuditResult) -> VerdictSentence:
    primary = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    if not primary:
        return EXPLORATORY_ONLY
    word = sentences.VERDICTS[audit.verdict].word
    if audit.data.limited:  # a sample may well show a difference: what it cannot do is conclude
        return VerdictSentence(word, "Only a sample of the images was audited.")
    asked = _asked([(finding, finding.verdict, sentences.truth_of(finding, audit)) for finding in primary])
    clauses = {**_OF_AUDIT, "disparity": _disparity(primary), "not estimable": _not_estimable(audit)}
    if audit.verdict == "inconclusive" and any(each.verdict == "equivalent" for each in asked):
        equal = _clause("equivalent", asked, clauses)
        return VerdictSentence(word, f"No pre-specified question shows a disparity. {equal}. The rest is open.")
    return VerdictSentence(word, _open_or_settled(audit.verdict, "inconclusive", asked, clauses))


def comparison_sentence(comparison: Comparison) -> VerdictSentence:
    """Return the verdict of a comparison in sentences."""
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    if not primary:
        return EXPLORATORY_ONLY
    ended = comparison_text.outcome(comparison)
    word = comparison_text.VERDICTS[ended].word
    if comparison.limited:
        return VerdictSentence(word, "Only a sample of the images was compared.")
    asked = _asked([(change, comparison_text.outcome(change), change.truth) for change in primary])
    clauses = {**_OF_COMPARISON, "not estimable": _too_few(comparison.cluster)}
    if ended == "mixed":
        return VerdictSentence(word, "Some gaps grew and others shrank.")
    if ended == "equivalent":
        return VerdictSentence(word, f"{_clause('equivalent', asked, clauses)}. A larger gap, where there was one, is still there.")
    if ended == "inconclusive" and any(each.verdict == "equivalent" for each in asked):
        unchanged = _clause("equivalent", asked, clauses)
        return VerdictSentence(
            word, f"No pre-specified gap is shown to have changed by more than the tolerance. {unchanged}. The rest is open."
        )
    return VerdictSentence(word, _open_or_settled(ended, "inconclusive", asked, clauses))


def _asked(questions: Sequence[tuple[Finding | Change, str, str | None]]) -> list[_Asked]:
    """Return questions with their verdict and what holds the truth; a rate is named with its measurement where there are several."""
    several = len({question.measurement for question, _, _ in questions}) > 1
    asked = []
    for question, verdict, truth in questions:
        subject = sentences.subject_of(question, truth) if several else sentences.metric_of(question, truth)
        asked.append(_Asked(verdict, phrases.group((subject[:1].lower() + subject[1:],)), phrases.attributes(question.attributes)))
    return asked


def _disparity(primary: Sequence[Finding]) -> str:
    """Say what differs: of rates given the truth how often answers agree with the labels, and for whom where it is one question."""
    found = [finding for finding in primary if finding.verdict == "disparity"]
    if any(finding.metric == "selection_rate" for finding in found):
        return _OF_AUDIT["disparity"]
    worse, better = "some groups", "others"
    if len(found) == 1 and found[0].gap and found[0].gap.most_significant and not found[0].diffuse:
        high, low = map(phrases.group, found[0].gap.most_significant)
        worse, better = (high, low) if found[0].better == "low" else (low, high)
    return _AGREEMENT.format(worse=worse, better=better)


def _open_or_settled(verdict: str, undecided: str, asked: Sequence[_Asked], clauses: Mapping[str, str]) -> str:
    """Say what holds in the questions of the verdict; where it is an open one, also why the rest has none."""
    few = verdict == undecided and any(each.verdict == "not estimable" for each in asked)
    rest = f"; in the rest, {clauses['not estimable']}" if few else ""
    return f"{_clause(verdict, asked, clauses)}{rest}."


def _clause(verdict: str, asked: Sequence[_Asked], clauses: Mapping[str, str]) -> str:
    ended = [each for each in asked if each.verdict == verdict]
    return f"{_where(len(ended), len(asked))}, {clauses[verdict]}{f': {_rates(ended)}' if verdict in _NAMED else ''}"


def _rates(asked: Sequence[_Asked]) -> str:
    """Name the rates, each with the attributes by which it was tested."""
    by: dict[str, list[str]] = {}
    for each in asked:
        by.setdefault(each.rate, []).append(each.by)
    named = [f"{rate} by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" for rate, names in by.items()]
    more = [in_words(len(named) - _MOST_RATES, "more rate")] if len(named) > _MOST_RATES else []
    return "; ".join([*named[:_MOST_RATES], *more])


def _where(many: int, of: int) -> str:
    """Say in which of the pre-specified questions.

    Examples
    --------
    >>> _where(1, 1), _where(2, 2), _where(1, 4)
    ('In the pre-specified question', 'In both pre-specified questions', 'In 1 of 4 pre-specified questions')
    """
    if many != of:
        return f"In {many} of {of} pre-specified questions"
    return {1: "In the pre-specified question", 2: "In both pre-specified questions"}.get(of, f"In all {of} pre-specified questions")


def _not_estimable(audit: AuditResult) -> str:
    """Say why questions of an audit have no verdict: too few images, or answers that do not depend on them."""
    without = [finding for finding in audit.findings if finding.primary and finding.verdict == "not estimable"]
    codes = {finding.unresponsive for finding in without} - {None}
    blind = "the answers do not depend on the images, so that they tell nothing about groups"
    weak = "the answers are not shown to be better than one answer for every image, so that they tell nothing about groups"
    said = [blind if codes <= set(BLIND) else weak] if codes else []
    said += [_too_few(audit.data.cluster)] if any(finding.unresponsive is None for finding in without) else []
    return ", or ".join(said)


def _too_few(cluster: str | None) -> str:
    return f"no two groups have enough images{'' if cluster is None else ' in enough clusters'} to be compared"
