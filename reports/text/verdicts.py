"""The first sentence of a report: an audit or a comparison in, its verdict in words out, true for every mix of questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.comparison import Comparison
from audit.records.results import AuditResult
from reports.text import comparison as comparison_text
from reports.text import sentences

_OF_AUDIT = {
    "disparity": "the model treats some groups differently, by more than chance explains",
    "equivalent": "every two groups compared are shown to differ by less than the tolerance",
    "inconclusive": "these images show neither a difference between groups nor its absence",
}
_OF_COMPARISON = {
    "gap reversed": "groups changed places: who had the higher rate before has the lower after",
    "gap grew": "the groups lie further apart after than before, by more than chance explains",
    "gap shrank": "the groups lie closer together after than before, by more than chance explains; what is left may still matter",
    "equivalent": "every difference between two groups compared is shown to have changed by less than the tolerance",
    "inconclusive": "these images show neither a change of the gap nor its absence",
}


@dataclass(frozen=True)
class VerdictSentence:
    """A verdict for a reader: one word or a few, and a sentence about the questions that it stands for."""

    word: str
    sentence: str


EXPLORATORY_ONLY = VerdictSentence("No verdict", "Every comparison is exploratory.")


def verdict_sentence(audit: AuditResult) -> VerdictSentence:
    """Return the verdict of an audit in sentences."""
    found = [finding.verdict for finding in audit.findings if finding.primary]
    if not found:
        return EXPLORATORY_ONLY
    word = sentences.VERDICTS[audit.verdict].word
    if audit.data.limited:  # a sample may well show a difference: what it cannot do is conclude
        return VerdictSentence(word, "Only a sample of the images was audited.")
    clauses = {**_OF_AUDIT, "not estimable": _too_few(audit.data.cluster)}
    if audit.verdict == "inconclusive" and "equivalent" in found:
        return VerdictSentence(
            word, f"No pre-specified question shows a disparity. {_clause('equivalent', found, clauses)}; the rest is open."
        )
    return VerdictSentence(word, _open_or_settled(audit.verdict, "inconclusive", found, clauses))


def comparison_sentence(comparison: Comparison) -> VerdictSentence:
    """Return the verdict of a comparison in sentences."""
    found = [comparison_text.outcome(change) for change in comparison.changes if change.primary]
    if not found:
        return EXPLORATORY_ONLY
    ended = comparison_text.outcome(comparison)
    word = comparison_text.VERDICTS[ended].word
    if comparison.limited:
        return VerdictSentence(word, "Only a sample of the images was compared.")
    clauses = {**_OF_COMPARISON, "not estimable": _too_few(comparison.cluster)}
    if ended == "mixed":
        return VerdictSentence(word, "Some gaps grew and others shrank.")
    if ended == "equivalent":
        return VerdictSentence(word, f"{_clause('equivalent', found, clauses)}. A larger gap, where there was one, is still there.")
    if ended == "inconclusive" and "equivalent" in found:
        unchanged = _clause("equivalent", found, clauses)
        return VerdictSentence(
            word, f"No pre-specified gap is shown to have changed by more than the tolerance. {unchanged}; the rest is open."
        )
    return VerdictSentence(word, _open_or_settled(ended, "inconclusive", found, clauses))


def _open_or_settled(verdict: str, undecided: str, found: Sequence[str], clauses: Mapping[str, str]) -> str:
    """Say what holds in the questions of the verdict; where it is an open one, also why the rest has none."""
    rest = f"; in the rest, {clauses['not estimable']}" if verdict == undecided and "not estimable" in found else ""
    return f"{_clause(verdict, found, clauses)}{rest}."


def _clause(verdict: str, found: Sequence[str], clauses: Mapping[str, str]) -> str:
    return f"{_where(found.count(verdict), len(found))}, {clauses[verdict]}"


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


def _too_few(cluster: str | None) -> str:
    return f"no two groups have enough images{'' if cluster is None else ' in enough clusters'} to be compared"
