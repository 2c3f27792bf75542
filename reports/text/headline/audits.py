"""The headline of an audit, for every way in which one can end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from audit.records.finding import planned_verdicts
from audit.records.results import AuditResult, Finding, Verdict
from audit.types import Group, Settings
from reports.text import phrases, sentences
from reports.text.evidence import shift_sentence
from reports.text.headline.differences import affected, caution, rate_name, size_in_words, size_sentence, statement
from reports.text.headline.left_out import without_columns
from reports.text.numbers import exact_tolerances, in_words, points
from reports.text.order import by_severity, reversed_at_equal, strongest_signals
from reports.text.reasons import beyond_sentence, ratio_sentences
from reports.text.responsiveness import brief_lead, composition_sentence, lead

Kind = Literal["disparity", "equivalent", "inconclusive", "not estimable", "unresponsive", "limited", "exploratory"]
_MOST_RATES, _MOST_TURNED = 3, 2


@dataclass(frozen=True)
class Headline:
    """What a reader must know first."""

    kind: Kind
    """How the audit ended; `unresponsive`: the model does not look at the images; `limited`: a sample; `exploratory`: nothing planned."""
    verdict: Verdict
    """Of the audit: it decides icon and colour."""
    word: str
    scope: str
    """Of how many questions it holds, and what a rule left out: ``2 of 3 pre-specified questions, without ‘city’ (60 levels)``."""
    lead: str
    """What stands before any verdict: in which of several measurements the model does not look. Else empty."""
    sentence: str
    """The headline: group first, then the number."""
    details: tuple[str, ...]
    """Its uncertainty first, then what else belongs beside it."""
    signal: str
    """The strongest signal of what nobody planned to ask; empty without one."""
    finding: Finding | None
    """The leading finding: the one of the sentence and of the chart. None where no groups can be compared."""
    affected: tuple[Group, ...]
    """Its groups in the colour of the verdict."""

    @property
    def verdict_line(self) -> str:
        """Return the verdict and what it holds of: ``Disparity · 2 of 3 pre-specified questions``."""
        return " · ".join(filter(None, (self.word, self.scope)))

    @property
    def text(self) -> str:
        """Return the headline and its uncertainty, for a paragraph or a terminal."""
        return " ".join(filter(None, (self.lead, self.sentence, *self.details[:1])))


def headline_of(audit: AuditResult, settings: Settings) -> Headline:
    """Return the headline of an audit."""
    primary = sorted((finding for finding in audit.findings if finding.primary), key=by_severity)
    kind = _kind(audit, primary)
    sentence, details = _SAID[kind](audit, primary, settings)
    leading = next((finding for finding in primary if finding.gap), None)
    return Headline(
        kind,
        audit.verdict,
        "No verdict" if kind == "exploratory" else sentences.VERDICTS[audit.verdict].word,
        ", ".join(filter(None, (_scope(audit, kind), without_columns(audit)))),
        "" if kind == "unresponsive" else brief_lead(audit),
        sentence,
        tuple(filter(None, details)),
        _signal(audit),
        leading,
        affected(leading) if leading and kind == "disparity" else (),
    )


def interval_level(settings: Settings) -> str:
    """Return the level of the intervals, in percent.

    Examples
    --------
    >>> interval_level(Settings(alpha=0.05))
    '95'
    """
    return f"{round(100 * (1 - settings.alpha), 6):g}"


def _kind(audit: AuditResult, primary: Sequence[Finding]) -> Kind:
    if not primary:
        return "exploratory"
    if audit.data.limited:
        return "limited"
    return "unresponsive" if lead(audit) and all(each.unresponsive for each in primary) else audit.verdict


def _scope(audit: AuditResult, kind: Kind) -> str:
    found = planned_verdicts(audit.findings)
    many, of = found.count(audit.verdict), len(found)
    if kind in ("limited", "exploratory") or many == 0:
        return in_words(of, "pre-specified question")
    if of == 1:
        return "the one pre-specified question"
    return f"all {of} pre-specified questions" if many == of else f"{many} of {of} pre-specified questions"


def _signal(audit: AuditResult) -> str:
    strongest = strongest_signals(audit.findings)
    if not strongest or strongest[0].gap is None:
        return ""
    gap = points(strongest[0].gap.value, phrases.gap_places(strongest[0]))
    return f"Not planned, but visible: {_lower(statement(strongest[0], audit))}. The gap is {gap}."


# ---- one function for each kind: headline and details ------------------------------------------------------------------------------------

_Said = tuple[str, Sequence[str]]


def _disparity(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    leading = primary[0]
    said = ", ".join(filter(None, (statement(leading, audit), caution(leading))))
    beside = [shift_sentence(leading), composition_sentence(leading)]
    turned = [f"Also reversed: {shift_sentence(each)}" for each in primary[1:] if reversed_at_equal(each)][:_MOST_TURNED]
    return f"{said}.", (size_sentence(leading, interval_level(settings)), beyond_sentence(leading), *beside, *turned)


def _equivalent(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    where = "" if len(primary) == 1 else f" in {_all(len(primary))}"
    widest = max((each for each in primary if each.gap), key=lambda each: each.gap.value if each.gap else 0.0)
    return f"No difference that matters{where}: {_within(primary, audit)}.", (_widest(widest, audit, settings),)


def _inconclusive(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    undecided, equal = ([each for each in primary if each.verdict == verdict] for verdict in ("inconclusive", "equivalent"))
    equal_too = f"In {in_words(len(equal), 'question')}, {_within(equal, audit)}." if equal else ""
    beside = f"; no difference that matters in {len(equal)}" if equal else ""
    where = "" if len(undecided) == len(primary) else f" in {len(undecided) or len(primary) - len(equal)} of {len(primary)} questions"
    if not undecided:
        return f"Too few images to tell{where}{beside}.", (equal_too,)
    first = undecided[0]
    return f"{_undecided(undecided, where)}{beside}.", (_widest(first, audit, settings), *ratio_sentences(first), equal_too)


def _undecided(undecided: Sequence[Finding], where: str) -> str:
    """Say what would have shown: the smallest detectable difference of the open questions."""
    smallest = min(undecided, key=lambda each: each.gap.minimum_detectable if each.gap else 1.0)
    detectable = smallest.gap.minimum_detectable if smallest.gap else 1.0
    if detectable <= smallest.tolerance:
        within = exact_tolerances(smallest.tolerance, smallest.ratio_tolerance)
        return f"Undecided{where}: neither a difference nor its absence within {within} shows"
    if detectable >= 1:
        return f"Too few images to tell{where}: no difference, however large, would reliably show"
    best = "at best, " if len(undecided) > 1 else ""
    return f"Too few images to tell{where}: {best}only differences above {points(detectable, phrases.gap_places(smallest))} would show"


def _not_estimable(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    clusters = "" if audit.data.cluster is None else " in enough clusters"
    enough = f"at least {settings.min_group_size} images that count{clusters}"
    return f"Nothing can be compared: no two groups have {enough}.", ("More images of the small groups would be needed.",)


def _unresponsive(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    return lead(audit), ("So the answers tell nothing about groups, and no gap is judged.",)


def _limited(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    sample = f"A sample of {in_words(audit.data.used, 'image')} settles nothing."
    leading = next((each for each in primary if each.gap), None)
    return sample, (_widest(leading, audit, settings) if leading else "", "Run it without --limit for a verdict.")


def _exploratory(audit: AuditResult, primary: Sequence[Finding], settings: Settings) -> _Said:
    return "No question was planned: every comparison is exploratory.", ()


_SAID = {
    "disparity": _disparity, "equivalent": _equivalent, "inconclusive": _inconclusive, "not estimable": _not_estimable,
    "unresponsive": _unresponsive, "limited": _limited, "exploratory": _exploratory,
}  # fmt: skip


def _within(equal: Sequence[Finding], audit: AuditResult) -> str:
    """Say of which rates differences are small: never of more than was tested."""
    tolerances = {(each.tolerance, each.ratio_tolerance) for each in equal}
    less = exact_tolerances(*tolerances.pop()) if len(tolerances) == 1 else "their tolerance"
    by: dict[str, list[str]] = {}
    for each in equal:
        by.setdefault(rate_name(each, audit), []).append(phrases.attributes(each.attributes))
    rates = [f"{rate} by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" for rate, names in by.items()]
    more = [in_words(len(rates) - _MOST_RATES, "more rate")] if len(rates) > _MOST_RATES else []
    return f"every two groups compared differ by less than {less} in {'; '.join([*rates[:_MOST_RATES], *more])}"


def _widest(finding: Finding, audit: AuditResult, settings: Settings) -> str:
    """Name a gap that decides nothing."""
    gap = finding.gap
    if gap is None:
        return ""
    found = size_in_words(gap.value, gap.low, gap.high, interval_level(settings))
    return f"The widest gap is {found}: {rate_name(finding, audit)} by {phrases.attributes(finding.attributes)}."


def _all(questions: int) -> str:
    return "both questions" if questions == 2 else f"all {questions} questions"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
