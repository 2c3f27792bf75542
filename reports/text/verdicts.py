"""The first sentence of a comparison's page: its verdict, worded to be true for every mix of outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, Comparison
from audit.results import Finding
from reports.text import comparison as comparison_text
from reports.text import phrases, sentences
from reports.text.numbers import in_words

_OF_COMPARISON = {
    "gap reversed": "groups changed places: the one with the higher rate before has the lower rate after",
    "gap grew": "the groups are further apart after than before, by more than chance alone would explain",
    "gap shrank": "the groups are closer together after than before, by more than chance alone would explain; the rest may still matter",
    "equivalent": "there is evidence that every difference between two compared groups changed by less than the tolerance",
    "inconclusive": "it is undecided whether the gap changed",
}
_NAMED = ("disparity", "equivalent")
"""Outcomes for which the rates are named, because they hold only for these rates."""
_MOST_RATES = 3


@dataclass(frozen=True)
class VerdictSentence:
    """A verdict in readable form: one word or a few, and a sentence about the questions that it covers."""

    word: str
    sentence: str


EXPLORATORY_ONLY = VerdictSentence("No verdict", "Every comparison is exploratory.")


@dataclass(frozen=True)
class _Asked:
    """A pre-specified question and how it ended."""

    verdict: str
    rate: str
    by: str


def comparison_sentence(comparison: Comparison) -> VerdictSentence:
    """Return the verdict of a comparison as a word and a sentence."""
    primary = sorted((change for change in comparison.changes if change.primary), key=comparison_text.by_weight)
    if not primary:
        return EXPLORATORY_ONLY
    ended = comparison_text.outcome(comparison)
    word = comparison_text.VERDICTS[ended].word
    if comparison.limited:
        return VerdictSentence(word, "Only a sample of the images was compared.")
    questions = _asked([(change, comparison_text.outcome(change), change.truth) for change in primary])
    clauses = {**_OF_COMPARISON, "not estimable": _too_few(comparison.cluster)}
    if ended == "mixed":
        return VerdictSentence(word, "Some gaps grew and others shrank.")
    if ended == "equivalent":
        return VerdictSentence(word, f"{_clause('equivalent', questions, clauses)}. A larger gap, if there was one, still exists.")
    if ended == "inconclusive" and any(question.verdict == "equivalent" for question in questions):
        unchanged = _clause("equivalent", questions, clauses)
        return VerdictSentence(
            word, f"There is no evidence that any pre-specified gap changed by more than the tolerance. {unchanged}. The rest is undecided."
        )
    grown = _may_have_grown(primary) if ended == "gap shrank" else []
    counted = f"{word}; {len(grown)} may have grown" if grown else word
    return VerdictSentence(counted, " ".join([_open_or_settled(ended, "inconclusive", questions, clauses), *_grown_sentence(grown)]))


def _may_have_grown(changes: Sequence[Change]) -> list[Change]:
    """Return the undecided gaps that are larger after, possibly by more than their tolerance; the most certain first."""
    undecided = [(change, change.gap) for change in changes if change.verdict == "inconclusive" and change.gap]
    larger = [(change, gap) for change, gap in undecided if gap.difference > 0 and gap.high > change.tolerance]
    return [change for change, _ in sorted(larger, key=lambda one: -one[1].low)]


def _grown_sentence(grown: Sequence[Change]) -> list[str]:
    """Name the first of the gaps that may have grown, so that one that shrank does not hide it."""
    if not grown or grown[0].gap is None:
        return []
    many = "1 undecided gap may" if len(grown) == 1 else f"{len(grown)} undecided gaps may"
    first = f"{'' if len(grown) == 1 else 'first '}{comparison_text.title(grown[0])}"
    return [f"{many} have grown: {first}, {comparison_text.change_size(grown[0].gap)}."]


def _asked(questions: Sequence[tuple[Finding | Change, str, str | None]]) -> list[_Asked]:
    """Return the questions with verdict, rate and attributes; the rate is named with its measurement if there are several."""
    several = len({question.measurement for question, _, _ in questions}) > 1
    tested = []
    for question, verdict, truth in questions:
        subject = sentences.subject_of(question, truth) if several else sentences.metric_of(question, truth)
        tested.append(_Asked(verdict, phrases.group((subject[:1].lower() + subject[1:],)), phrases.attributes(question.attributes)))
    return tested


def _open_or_settled(verdict: str, undecided: str, questions: Sequence[_Asked], clauses: Mapping[str, str]) -> str:
    """Say what holds for the questions with the verdict; if it is "inconclusive", also why the rest could not be estimated."""
    few = verdict == undecided and any(question.verdict == "not estimable" for question in questions)
    rest = f"; in the rest, {clauses['not estimable']}" if few else ""
    return f"{_clause(verdict, questions, clauses)}{rest}."


def _clause(verdict: str, questions: Sequence[_Asked], clauses: Mapping[str, str]) -> str:
    ended = [question for question in questions if question.verdict == verdict]
    return f"{_where(len(ended), len(questions))}, {clauses[verdict]}{f': {_rates(ended)}' if verdict in _NAMED else ''}"


def _rates(questions: Sequence[_Asked]) -> str:
    """Name the rates with the attributes by which they were tested."""
    by: dict[str, list[str]] = {}
    for question in questions:
        by.setdefault(question.rate, []).append(question.by)
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


def _too_few(cluster: str | None) -> str:
    return f"no two groups have enough images{'' if cluster is None else ' in enough clusters'} to be compared"
