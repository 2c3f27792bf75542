"""Finds the question that a user names: by its id, or by the names that ``--fail-on`` accepts and that summary and report show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from audit.errors import UsageError
from audit.evidence.prompt_sensitivity import SpecificationCurve
from audit.gates.parse import GateQuestion, NamedQuestion, PlannedEffect, PlannedQuestion, effect_question, gate_question, named_question
from audit.naming import finding_id
from audit.records.comparison import Change, Comparison, Comparisons, Series, Trajectory
from audit.records.plan_lock import PlanLock
from audit.results import AuditResult, Finding, Results
from audit.statistics.effects import asked_effects
from audit.statistics.metrics import METRICS
from audit.types import Measurement
from reports.text import sentences as words
from reports.text.effects import effect_title
from reports.text.phrases import attributes

T = TypeVar("T")
N = TypeVar("N", bound=NamedQuestion)


def planned_questions(measurements: Iterable[Measurement]) -> tuple[GateQuestion, ...]:
    """All questions of these measurements, under the names of the findings that they will become."""
    questions = []
    for measurement in measurements:
        for claim in measurement.claims:
            better = claim.better or METRICS[claim.metric].better
            planned = PlannedQuestion(
                finding_id(measurement.name, claim), measurement.name, claim.metric, claim.outcome, claim.by, claim.primary, better
            )
            questions.append(_named(planned, measurement.truth))
        for effect_name, effect in asked_effects(measurement):
            named = PlannedEffect(effect_name, effect.kind, measurement.name, effect.outcome, effect.metric, effect.by, effect.primary)
            questions.append(effect_question(named, effect_title(named)))
    return tuple(questions)


def locked_questions(lock: PlanLock) -> tuple[GateQuestion, ...]:
    """The questions of a plan lock about rates, from their ids: a gate on one that a run leaves out is not estimable."""
    questions = []
    for locked in lock.probes.values():
        for name in (*locked.claims, *locked.exploratory):
            measurement, _, rest = name.partition("/")
            subject, _, by = rest.rpartition("/")
            metric, _, outcome = subject.removesuffix("]").partition("[")
            if metric in METRICS:
                primary, by_columns = name in locked.claims, tuple(by.split(" x "))
                rate = PlannedQuestion(name, measurement, metric, outcome or None, by_columns, primary, METRICS[metric].better)
                questions.append(_named(rate, None))
    return tuple(questions)


def found_questions(results: Results) -> tuple[GateQuestion, ...]:
    """All questions that were answered, with their names."""
    rates = (_named(finding, words.truth_of(finding, audit)) for audit in results.audits for finding in audit.findings)
    effects = (effect_question(effect, effect_title(effect)) for audit in results.audits for effect in audit.effects)
    return (*rates, *effects)


def _named(question: NamedQuestion, truth: str | None) -> GateQuestion:
    """A question with its names; `truth` is the attribute with the true answers. The last name is for terminals."""
    title, shown = (f"{phrase(question, truth)} by {attributes(question.attributes)}" for phrase in (words.subject_of, words.metric_of))
    named = gate_question(question, title, shown)
    if question.outcome is None:
        return named
    # When a selection rate is planned, it is not known whether its title will say "at equal true shares".
    outcome = f"‘{question.outcome}’"
    plain = title.replace(f"{outcome} {words.AT_EQUAL_TRUTH}", outcome)
    others = {plain, plain.replace(outcome, f"{outcome} {words.AT_EQUAL_TRUTH}")} - {title}
    return replace(named, titles=(title, *sorted(others)))


def finding(results: Results, name: str, audit: int | None = None) -> tuple[AuditResult, Finding]:
    """A finding with its audit: the one at index `audit`, or the first that has it; raises UsageError if there is no such finding."""
    audits = results.audits if audit is None else [at(results.audits, audit, "audit")]
    return _found(
        name, ((audit_result, every, words.truth_of(every, audit_result)) for audit_result in audits for every in audit_result.findings)
    )


def change(facts: Comparisons, name: str, comparison: int | None = None) -> tuple[Comparison, Change]:
    """A change with its comparison: the one at an index, or the first that has it; raises as `finding` does."""
    compared = facts.comparisons if comparison is None else [at(facts.comparisons, comparison, "comparison")]
    return _found(name, ((comparison_result, every, every.truth) for comparison_result in compared for every in comparison_result.changes))


def followed(facts: Comparisons, name: str) -> tuple[Series, Trajectory]:
    """A question over the steps of a series, with the series; raises as `finding` does, and if no series was compared."""
    if not facts.series:
        raise UsageError("no series was compared", why="these are not checkpoints of one run", fix="compare(…, series=True)")
    followed = ((series, trajectory) for series in facts.series for trajectory in series.trajectories)
    return _found(name, ((series, trajectory, trajectory.truth) for series, trajectory in followed))


def _found(name: str, named: Iterable[tuple[T, N, str | None]]) -> tuple[T, N]:
    """The question with a name, and its owner; `named` has each question with its owner and the attribute of its true answers."""
    if not isinstance(name, str):
        raise UsageError(f"a question of type {type(name).__name__}", fix="name it as the summary does: 'race.accuracy by gender'")
    everything = list(named)
    wanted = named_question(name, [_named(question, truth) for _, question, truth in everything]).id
    return next((whose, question) for whose, question, _ in everything if question.id == wanted)


def at(items: Sequence[T], position: int, what: str) -> T:
    """The item at an index from 0; raises UsageError if it does not exist."""
    if not isinstance(position, int) or not 0 <= position < len(items):
        raise UsageError(f"no {what} {position!r}", fix=f"counted from 0, there are {len(items)}")
    return items[position]


def curve(audit: AuditResult, wanted: int | str) -> SpecificationCurve:
    """The prompt sensitivity of a question: by an index, a part of the text above it, or any name of the finding."""
    curves = audit.specifications
    if isinstance(wanted, str) and (target := finding_of(audit, wanted)):
        same = [
            candidate
            for candidate in curves
            if (candidate.metric, candidate.outcome, candidate.attributes) == (target.metric, target.outcome, target.attributes)
        ]
        titled = [candidate for candidate in same if words.title(target, audit).casefold() in candidate.question.casefold()]
        curves = tuple(titled or same) or curves
        wanted = 0 if len(curves) == 1 else wanted
    return asked(curves, wanted, lambda candidate: candidate.question, "prompt-sensitivity curve", "this probe asks with one prompt only")


def finding_of(audit: AuditResult, name: str) -> Finding | None:
    """The finding with a name, if there is one."""
    try:
        return _found(name, ((audit, every, words.truth_of(every, audit)) for every in audit.findings))[1]
    except UsageError:
        return None  # the text may be part of a question


def asked(items: Sequence[T], wanted: int | str, text: Callable[[T], str], what: str, none: str) -> T:
    """The item at an index, or the only one whose question contains a text; `none` says what to do if there are no items."""
    if not items:
        raise UsageError(f"there are no {what}s", fix=none)
    if isinstance(wanted, int):
        return at(items, wanted, what)
    matches = [item for item in items if wanted.casefold() in text(item).casefold()]
    if len(matches) != 1:
        fix = f"give its index, or more of its text: {'; '.join(map(text, items))}"
        raise UsageError(f"{len(matches) or 'no'} {what}s contain {wanted!r}", fix=fix)
    return matches[0]
