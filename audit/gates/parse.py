"""Parses gates: ``gap[harm-21.crime-related by gender] > 0.05``, with the names that the summary shows; decided on the interval's bound.

::

    gate     = subject operator value
    subject  = ("gap" | "gap_mean" | "ratio" | "rate" | "verdict") [ "[" name [" for " group] "]" ]    for comparisons "change" | "verdict"
    operator = ">" | ">=" | "<" | "<="        for a verdict "==" | "!="
    value    = 0.05 | 5 % | 5 points          for a verdict disparity | equivalent | inconclusive | not estimable

A gate states what must not be; `audit.gates.decide` decides it, `audit.gates.changes` decides those on comparisons, whose limits may be
negative. Without a name it applies to every primary question.
"""

from __future__ import annotations

import difflib
import logging
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal, NoReturn, get_args

from audit.errors import UsageError, nearest
from audit.records.base import Verdict
from audit.records.comparison import ComparedClaim
from audit.records.effect import EffectKind, EffectResult
from audit.results import Finding
from audit.types import Better, Group

Subject = Literal["gap", "gap_mean", "ratio", "rate", "change", "verdict"]
SUBJECTS: tuple[Subject, ...] = ("gap", "gap_mean", "ratio", "rate", "verdict")
CHANGE_SUBJECTS: tuple[Subject, ...] = ("change", "verdict")
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
COMPARE: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
)
FLAG = "--fail-on"
_FORM = "write it in quotation marks: 'gap[harm-21.crime-related by gender] > 0.05'"
_CHANGE_FORM = "write it in quotation marks: 'change[harm-21.crime-related by gender] > 0.02'"
_ELSEWHERE: Mapping[str, str] = {
    "change": "it is of a comparison: vlm-audit compare BEFORE AFTER --fail-on 'change[…] > 0.02'",
    **dict.fromkeys(("gap", "ratio", "rate"), "it is of an audit; of a comparison write change[…] > 0.02, or change[… for GROUP] < -0.02"),
}
_NUMBER = re.compile(r"(-?)(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*(%|points?|pp)?", re.IGNORECASE)
_OPERATOR = re.compile(r"[<>=!]=?")
_UNLIKE = (0.4, 0.0)
"""A name must be more similar than this to be suggested."""
_FEW, _NAMED = 12, 3
"""If there are at most this many known names, all are listed; otherwise, this many of the most similar."""


@dataclass(frozen=True)
class Gate:
    """A gate as written."""

    expression: str
    subject: Subject
    name: str | None
    """The text between the brackets."""
    operator: str
    limit: float = 0.0
    verdict: Verdict | None = None


@dataclass(frozen=True)
class GateQuestion:
    """A finding that an audit will have, and its names."""

    id: str
    names: tuple[str, ...]
    """Short and full, and its id: they never change."""
    attributes: tuple[str, ...]
    primary: bool = True
    better: Better = "neither"
    titles: tuple[str, ...] = ()
    """What pages call it, whose words may change."""
    shown: str = ""
    """Its name on a terminal, if it is unique."""
    effect: bool = False
    """Whether it is an effect question: its gap is its distance from no effect, and it has no rates."""


@dataclass(frozen=True)
class ResolvedGate:
    """A gate with the finding that it names."""

    gate: Gate
    finding: str | None = None
    """None: every primary question; for a verdict, the audit's own."""
    attributes: tuple[str, ...] = ()
    group: str | None = None
    """One group, as written."""
    better: Better = "neither"
    lasting: str = ""
    """A name that never changes, where the gate has a title of a page; empty where it has such a name."""


@dataclass(frozen=True)
class PlannedQuestion:
    """A claim that will become a finding."""

    id: str
    measurement: str
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    primary: bool
    better: Better


@dataclass(frozen=True)
class PlannedEffect:
    """An effect claim that will become a result."""

    id: str
    kind: EffectKind
    measurement: str
    outcome: str | None
    metric: str | None
    attribute: str
    primary: bool


NamedQuestion = PlannedQuestion | Finding | ComparedClaim


# ---- parsing ---------------------------------------------------------------------------------------------------------------------


def parse(expression: str, subjects: Sequence[Subject] = SUBJECTS) -> Gate:
    """Parse one gate, on an audit or, with other `subjects`, on a comparison; raises UsageError with the position of the error.

    Examples
    --------
    >>> parse("gap[harm-21.crime-related by gender] > 5 points")
    Gate(expression='gap[harm-21.crime-related by gender] > 5 points', subject='gap', name='harm-21.crime-related by gender', operator='>', limit=0.05, verdict=None)
    """  # noqa: E501  # the printed value is one line
    text = expression.strip()
    word = re.match(r"\w*", text)
    written = word[0].lower() if word else ""
    subject = next((candidate for candidate in subjects if candidate == written), None)
    if subject is None:
        fix = _ELSEWHERE.get(written) or _nearest(written, subjects)
        _fail(text, 0, f"{written or text[:1] or 'nothing'!r} is not a subject of a gate", fix)
    form = _CHANGE_FORM if subjects is CHANGE_SUBJECTS else _FORM
    name, end = _name(text, len(subject), form)
    sign, start = _operator(text, end, form, verdict=subject == "verdict")
    if subject == "verdict":
        return Gate(text, subject, name, sign, verdict=_verdict(text, start))
    return Gate(text, subject, name, sign, _limit(text, start, least=-1 if subject == "change" else 0))


def _name(text: str, start: int, form: str) -> tuple[str | None, int]:
    """The text between the brackets, and the position after them: names may contain brackets, so the last closing one counts."""
    opening = len(text) - len(text[start:].lstrip())
    if text[opening : opening + 1] != "[":
        return None, opening
    closing = text.rfind("]")
    if closing < opening:
        _fail(text, opening, "this bracket is not closed", form)
    name = text[opening + 1 : closing].strip()
    if not name:
        _fail(text, opening, "expected a name between the brackets", f"{form}, or leave the brackets out")
    return name, closing + 1


def _operator(text: str, start: int, form: str, *, verdict: bool) -> tuple[str, int]:
    position = len(text) - len(text[start:].lstrip())
    sign = _OPERATOR.match(text, position)
    allowed = ("==", "!=") if verdict else tuple(COMPARE)
    if sign is None or sign[0] not in allowed:
        actual = repr(sign[0]) if sign else repr(text[position:].split(" ")[0]) if text[position:] else "the end"
        _fail(text, position, f"here one of {' '.join(allowed)} is expected, not {actual}", form)
    return sign[0], sign.end()


def _limit(text: str, start: int, least: int = 0) -> float:
    position = len(text) - len(text[start:].lstrip())
    try:
        limit = fraction(text[position:])
    except ValueError:
        _fail(text, position, f"invalid limit {text[position:]!r}", "write 0.05, 5 % or 5 points")
    if not least <= limit <= 1:
        _fail(text, position, f"{text[position:]!r} is outside {least} to 1", "write five hundredths as 0.05, 5 % or 5 points")
    return limit


def fraction(text: str) -> float:
    """Parse a fraction as typed, in gates, options and Python alike; raises ValueError for other text.

    Examples
    --------
    >>> fraction("0.05"), fraction("5 %"), fraction("5 points"), fraction("-5pp")
    (0.05, 0.05, 0.05, -0.05)
    """
    number = _NUMBER.fullmatch(text.strip())
    if number is None:
        raise ValueError(f"not a fraction: {text[:80]!r}")
    return float(number[1] + number[2] + (number[3] or "")) / (100 if number[4] else 1)


def _verdict(text: str, start: int) -> Verdict:
    position = len(text) - len(text[start:].lstrip())
    word = " ".join(text[position:].lower().replace("_", " ").strip("'\"").split())
    if word not in VERDICTS:
        _fail(text, position, f"unknown verdict {text[position:]!r}", _nearest(word, VERDICTS))
    return word


def _fail(text: str, position: int, what: str, fix: str) -> NoReturn:
    where = f"{text[:position]}»{text[position:]}" if text[position:] else f"{text}»"
    raise UsageError(f"{FLAG}: {what}", where=f"position {position + 1} of {where!r}", fix=fix)


def refuse_ratio(gate: Gate, cluster: str | None, weights: str | None) -> None:
    """Raise UsageError, before any work, for a gate that can never be decided: with clusters or weights there are no bounds of a ratio."""
    if gate.subject == "ratio" and (cluster or weights):
        why = f"images {f'have weights (column {weights!r})' if weights else f'come in clusters (column {cluster!r})'}: no ratio is bounded"
        fix = "put it to the gap: gap[role.accuracy by gender] > 0.05"
        raise UsageError(f"{FLAG} {gate.expression!r} can never be decided", why=why, fix=fix)


# ---- names -----------------------------------------------------------------------------------------------------------------------


def gate_question(finding: NamedQuestion, title: str, shown: str = "") -> GateQuestion:
    """A finding with its names: short, full, its id, its title in summary and report, and `shown`."""
    by = " x ".join(finding.attributes)
    subject = f"{finding.measurement}.{finding.outcome or finding.metric}"
    whole = (f"{subject}.{finding.metric} by {by}",) if finding.outcome else ()
    names = (f"{subject} by {by}", *whole, finding.id)
    return GateQuestion(finding.id, names, tuple(finding.attributes), finding.primary, finding.better, (title,), shown)


def effect_question(effect: EffectResult | PlannedEffect, title: str) -> GateQuestion:
    """An effect question with its names: ``predictions.unsafe.superiority by gender``, ``gender.accuracy.trend by age``."""
    what = ".".join(filter(None, (effect.measurement, effect.outcome, effect.metric, effect.kind)))
    short = ".".join(filter(None, (effect.measurement, effect.outcome or effect.metric, effect.kind)))
    names = tuple(dict.fromkeys((f"{short} by {effect.attribute}", f"{what} by {effect.attribute}", effect.id)))
    return GateQuestion(effect.id, names, (effect.attribute,), effect.primary, titles=(title,), effect=True)


def resolve_gate(gate: Gate, known: Sequence[GateQuestion], number: Subject = "gap") -> ResolvedGate:
    """Find the question that a gate names; raises UsageError, with similar names, if there is no such question or more than one.

    `number` is the subject for a gate on an exploratory question, which has no verdict of its own.
    """
    if gate.name is None:
        if gate.subject == "rate":
            raise UsageError(f"{FLAG} {gate.expression!r} does not say which rate", fix="name it: rate[gender.accuracy by race] < 0.9")
        return ResolvedGate(gate)
    for name, group in _readings(gate.name):
        question = _called(name, known, f"{FLAG}: ")
        if question is not None:
            if group is not None and gate.subject not in ("rate", "change"):
                raise UsageError(f"{FLAG}: a {gate.subject} is of all groups", where=repr(gate.expression), fix="leave out 'for …'")
            if question.effect and gate.subject not in ("gap", "verdict"):
                what = f"{FLAG}: {gate.name!r} is a question about scores or a trend, which has no {gate.subject}"
                raise UsageError(what, where=repr(gate.expression), fix=f"put the gate to its gap: gap[{gate.name}] > 0.05")
            if gate.subject in ("verdict", "gap_mean") and not question.primary:
                what = "verdict" if gate.subject == "verdict" else "mean over replicates"
                raise UsageError(
                    f"{FLAG}: {gate.name!r} is exploratory, so it has no {what}", where=repr(gate.expression),
                    fix=f"put the gate to its {number}: {number}[{gate.name}] > 0.05",
                )  # fmt: skip
            lasting = "" if _plain(name) in map(_plain, question.names) else _own_names(known)[question.id]
            return ResolvedGate(gate, question.id, question.attributes, group, question.better, lasting)
    where = f"position {gate.expression.index('[') + 2} of {gate.expression!r}"
    raise UsageError(f"{FLAG}: no question is called {gate.name!r}", where=where, fix=_nearest_question(gate.name, known))


def named_question(name: str, known: Sequence[GateQuestion]) -> GateQuestion:
    """The question with a name: short, full, its id, or its title; raises UsageError with the most similar names if there is no such one.

    Examples
    --------
    >>> known = [GateQuestion("gender/accuracy/race", ("gender.accuracy by race", "gender/accuracy/race"), ("race",))]
    >>> named_question("Gender.Accuracy by race", known).id
    'gender/accuracy/race'
    """
    question = _called(name, known)
    if question is None:
        raise UsageError(f"no question is called {name!r}", fix=_nearest_question(name, known))
    return question


def _called(name: str, known: Sequence[GateQuestion], flag: str = "") -> GateQuestion | None:
    matches = {question.id: question for question in known if _plain(name) in map(_plain, (*question.names, *question.titles))}
    matches = matches or {question.id: question for question in known if _plain(name) == _plain(question.shown)}
    if len(matches) > 1:
        raise UsageError(f"{flag}{name!r} means more than one question", fix=f"write one of {', '.join(matches)}")
    return next(iter(matches.values()), None)


def _readings(name: str) -> list[tuple[str, str | None]]:
    """The whole name, then every way to split off a group: a name may contain the word "for"."""
    parts = re.split(r"\s+for\s+", name)
    return [(name, None), *((" for ".join(parts[:i]), " for ".join(parts[i:])) for i in range(len(parts) - 1, 0, -1))]


def require_group(resolved: ResolvedGate, levels: Mapping[str, Group]) -> None:
    """Raise UsageError, before any work, for a group that the data do not have; it lists the levels."""
    if resolved.group is None:
        return
    own = [levels.get(attribute, ()) for attribute in resolved.attributes]
    if not any(same_group(resolved.group, group) for group in product(*own)):
        known = " × ".join("/".join(declared) for declared in own)
        raise UsageError(f"{FLAG}: no group {resolved.group!r}", where=repr(resolved.gate.expression), fix=f"one of {known}")


def same_group(written: str, group: Group) -> bool:
    """Whether a group as written is this one."""
    return _plain(written) == _plain(" x ".join(group))  # not split at " x ", which may be part of a level


def _plain(text: str) -> str:
    """A name without what is hard to type: quotation marks, ×, capitals, underscores, repeated spaces."""
    bare = re.sub(r"[‘’“”'\"`]", "", text).replace("×", "x").replace("_", " ")
    return " ".join(bare.casefold().split())


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"{f'did you mean {close[0]}? ' if close else ''}Known: {', '.join(known)}"


def _nearest_question(name: str, known: Sequence[GateQuestion]) -> str:
    names = _own_names(known)
    if not names:
        return "no question was judged: the first lines of summary.md say why"
    if len(names) <= _FEW:
        return nearest(name, names.values())
    alike = {question.id: max(_likeness(name, each) for each in (*question.names, *question.titles)) for question in known}
    close = [
        names[question_id]
        for question_id in sorted(alike, key=lambda question_id: alike[question_id], reverse=True)[:_NAMED]
        if alike[question_id] > _UNLIKE
    ]
    return f"did you mean {' or '.join(close)}?" if close else "summary.md lists the names: measurement.outcome by attribute"


def _own_names(known: Sequence[GateQuestion]) -> dict[str, str]:
    """The shortest name of each question, by its id, that no other question has."""
    questions = {question.id: question for question in known}.values()
    uses = Counter(_plain(name) for question in questions for name in {_plain(variant) for variant in question.names})
    return {question.id: next((name for name in question.names if uses[_plain(name)] == 1), question.id) for question in questions}


def _likeness(written: str, name: str) -> tuple[float, float]:
    """Share of the written words that are prefixes of words of the name, then the similarity of the two texts."""
    words, others = (re.findall(r"\w+", _plain(text)) for text in (written, name))
    begun = sum(any(other.startswith(word) for other in others) for word in words) / max(len(words), 1)
    return begun, difflib.SequenceMatcher(None, _plain(written), _plain(name)).ratio()


# Warns of gates that fail what is better, which is surely a mistake, by the direction of their subject; and of those with a title.


LOG = logging.getLogger("audit")
_WORSE: Mapping[str, str] = {"gap": ">", "gap_mean": ">", "change": ">", "ratio": "<"}
"""The operator with which a gate fails what is worse."""
_WORSE_RATE: Mapping[Better, str] = {"high": "<", "low": ">"}
"""The same for a rate, and for the change of a group's rate, by whether high or low is better."""


def turned(gate: Gate, better: Better = "neither", *, of_group: bool = False) -> str | None:
    """The reversed gate if the given one fails what is better, which is surely a mistake; None if it is right.

    For a rate, and for the change of a group's rate (`of_group`), this needs a `better` direction.

    Examples
    --------
    >>> from audit.gates.parse import CHANGE_SUBJECTS, parse
    >>> turned(parse("gap[gender.accuracy by race] < 0.1")), turned(parse("gap > 0.1")), turned(parse("verdict == equivalent"))
    ('gap[gender.accuracy by race] > 0.1', None, 'verdict != equivalent')
    >>> turned(parse("rate[gender.accuracy by race] > 0.9"), "high"), turned(parse("rate[gender.accuracy by race] > 0.9"))
    ('rate[gender.accuracy by race] < 0.9', None)
    >>> turned(parse("change[gender.accuracy by race for any group] > 2 points", CHANGE_SUBJECTS), "high", of_group=True)
    'change[gender.accuracy by race for any group] < -2 points'
    """
    own = gate.operator[0]
    before, _, value = gate.expression.rpartition(gate.operator)
    if (gate.verdict, gate.operator) in (("equivalent", "=="), ("disparity", "!=")):
        return f"{before}{'!=' if gate.operator == '==' else '=='}{value}"
    of_rate = of_group or gate.subject == "rate"
    worse = _WORSE_RATE.get(better) if of_rate else _WORSE.get(gate.subject)
    if own not in "<>" or worse in (None, own):
        return None
    if of_rate and gate.subject == "change":  # the limit must change sign, too
        size = value.strip().removeprefix("-")
        value = f" {'-' if worse == '<' and gate.limit else ''}{size}"
    return f"{before}{gate.operator.translate(str.maketrans('<>', '><'))}{value}"


def warn_of_mistakes(gate: Gate, resolved: ResolvedGate | None = None) -> None:
    """Warn of a gate that fails what is better, and of a title that may change; it stays as written.

    `resolved` is the same gate, if its question is known.
    """
    if resolved is not None and resolved.lasting:
        words = "%s %r names its question by a title, whose words may change in a later version: write %s"
        LOG.warning(words, FLAG, gate.expression, resolved.lasting)
    of_group = resolved is not None and resolved.group is not None
    if other := turned(gate, resolved.better if resolved else "neither", of_group=of_group and gate.subject == "change"):
        LOG.warning("%s %r fails where this holds, and holds what is worse; did you mean %r?", FLAG, gate.expression, other)
