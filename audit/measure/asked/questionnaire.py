"""A probe in its form for generative models: every question in a fixed and in a shuffled order, with "unclear" as an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from audit.measure.asked.likelihood import (
    COMPLETE,
    DESCRIBE,
    INSTRUCTIONS,
    LETTER_REPLIES,
    OTHER,
    PLAIN,
    REPLY,
    build_question,
    with_options,
    with_outcomes,
    with_unclear,
)
from audit.naming import instruction_name, order_name, repeats_name
from audit.plans import WritingPlan
from audit.types import SAME_ANSWER, UNCLEAR, Claim, LabelSet, Manner, Measurement, Note, Probe, Question, Specification, SpecificationPlan

OTHER_INSTRUCTION = next(name for name in INSTRUCTIONS if name != "which")
MAX_OPTIONS = 40
"""Prompts that need a longer list of options are left out of the curves."""


@dataclass(frozen=True)
class Compared:
    """The questions that a measurement of agreement compares."""

    fixed: Measurement
    """The question in fixed order."""
    others: tuple[Question, ...]
    """The same question, asked differently or again; empty if each row provides its question."""
    askings: slice
    """Which of the ways to ask a row's question are compared (`audit.measure.asked.interview`)."""


@dataclass(frozen=True)
class Questionnaire:
    """The questions, and how they belong together."""

    probe: Probe
    """Its measurements have their `Question`; those that compare ways to ask it follow."""
    compared: Mapping[str, Compared]
    """measurement of agreement -> the questions it compares."""
    asked: tuple[Note, ...]
    """How the questions are asked, for the report."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every distinct question."""
        points = (point.measurement for plan in self.probe.specifications for point in plan.specifications)
        questions = [measurement.asked for measurement in (*self.probe.measurements, *points) if measurement.asked]
        return tuple(dict.fromkeys([*questions, *(question for comparison in self.compared.values() for question in comparison.others)]))


def questionnaire(probe: Probe, seed: int, manner: Manner = PLAIN) -> Questionnaire:
    """The questions for a generative model; `seed` shuffles the options, `manner` says how the model must be prompted.

    Each measurement gets the outcome "unclear", and the model's other outcomes without an answer, with the rate of each by group:
    these are planned questions. It is followed by a measurement of whether the answer stays the same when the options are shuffled and, if
    requested, with another instruction and when the question is repeated; these are exploratory. The default of every prompt curve is
    also asked with shuffled options and with another instruction.
    """
    measurements: list[Measurement] = []
    compared: dict[str, Compared] = {}
    among_others = [measurement for measurement in probe.measurements if measurement.options and measurement.options.others]
    retrieved = [measurement for measurement in probe.measurements if measurement.retrieval]
    for measurement in probe.measurements:
        if measurement in among_others or measurement in retrieved:
            continue
        fixed = _with_question(measurement, manner) if measurement.options is None else _by_row(measurement, manner)
        again = _askings(fixed, measurement, seed, manner)
        compared |= {name: comparison for name, (_, comparison) in again.items()}
        measurements += [_no_answer_claimed(fixed, manner), *(_agreement(fixed, name, *asking) for name, asking in again.items())]
    plans = tuple(_plan(plan, seed, manner) for plan in probe.specifications)
    dropped = sum(len(plan.specifications) for plan in probe.specifications) + 3 * len(plans) - sum(len(p.specifications) for p in plans)
    several = any(len(texts) > 1 for m in probe.measurements if not m.retrieval for texts in m.label_set.prompts.values())
    unasked = tuple(analysis.question for analysis in probe.analyses if not isinstance(analysis, WritingPlan))
    notes = [
        *_asking_notes(seed, dropped, several, manner),
        *([Note("no_embeddings", {"questions": unasked})] if unasked else []),
        *([Note("asked_rows", {"reply": REPLY})] if any(measurement.options for measurement in measurements) else []),
        *(Note("not_asked_among_others", {"measurement": among_other.name}) for among_other in among_others),
        *(Note("not_asked_retrieved", {"measurement": measurement.name}) for measurement in retrieved),
    ]
    return Questionnaire(replace(probe, measurements=tuple(measurements), specifications=plans, analyses=()), compared, tuple(notes))


def asks(probe: Probe) -> bool:
    """Whether a probe has questions for a generative model: it ranks no images."""
    return any(measurement.retrieval is None for measurement in probe.measurements)


def _with_question(measurement: Measurement, manner: Manner, *, instruction: str = "which", seed: int | None = None) -> Measurement:
    label_set = with_unclear(measurement.label_set)
    question = build_question(label_set, instruction=instruction, seed=seed, manner=manner)
    return replace(measurement, label_set=with_options(label_set, question), asked=question)


def _by_row(measurement: Measurement, manner: Manner) -> Measurement:
    """Prepare a measurement whose question each row provides, with "unclear" among its roles."""
    return replace(measurement, label_set=with_outcomes(with_unclear(replace(measurement.label_set, prompts={})), manner.outcomes))


def _no_answer_claimed(measurement: Measurement, manner: Manner) -> Measurement:
    """Add claims about how often no answer was given, one for each outcome."""
    ways = (UNCLEAR, *manner.outcomes)
    claimed = {(claim.metric, claim.outcome, claim.by) for claim in measurement.claims}  # a probe may already have a claim on "unclear"
    rates = [selection_rate for way in ways for selection_rate in _selection_rates(measurement, way, primary=True)]
    claims = (*dict.fromkeys(measurement.claims), *(rate for rate in rates if (rate.metric, rate.outcome, rate.by) not in claimed))
    return replace(measurement, outcomes={**measurement.outcomes, **{way: (way,) for way in ways}}, claims=claims)


def _askings(fixed: Measurement, measurement: Measurement, seed: int, manner: Manner) -> dict[str, tuple[str, Compared]]:
    """The variants of a measurement: name -> description, and the questions to compare."""
    label_set, by_row = with_unclear(measurement.label_set), fixed.asked is None
    shuffled = () if by_row else (build_question(label_set, seed=seed, manner=manner),)
    askings = {order_name(fixed.name): ("the options are shuffled", Compared(fixed, shuffled, slice(1, 2)))}
    if manner.instructions and not by_row:
        other = build_question(label_set, instruction=OTHER_INSTRUCTION, manner=manner)
        askings[instruction_name(fixed.name)] = ("the instruction is worded otherwise", Compared(fixed, (other,), slice(0)))
    if manner.repeats > 1:
        again = tuple(replace(fixed.asked, repeat=repeat) for repeat in range(1, manner.repeats)) if fixed.asked else ()
        askings[repeats_name(fixed.name)] = ("the same is asked again", Compared(fixed, again, slice(2, None)))
    return askings


def _agreement(fixed: Measurement, name: str, what: str, compared: Compared) -> Measurement:
    """The measurement of whether the answer stays the same: its question is the first variant, and all answers are compared."""
    return Measurement(
        name=name,
        question=f"Does the answer to '{fixed.name}' stay the same when {what}?",
        label_set=LabelSet("order", (SAME_ANSWER, OTHER), {SAME_ANSWER: (), OTHER: ()}),
        preset=fixed.preset,
        claims=_selection_rates(fixed, SAME_ANSWER, primary=False),
        outcomes={SAME_ANSWER: (SAME_ANSWER,)},
        asked=compared.others[0] if compared.others else None,
    )


def _selection_rates(measurement: Measurement, outcome: str, *, primary: bool) -> tuple[Claim, ...]:
    names = dict.fromkeys(name for claim in measurement.claims for name in claim.by)
    return tuple(Claim("selection_rate", (name,), outcome, primary=primary) for name in names)


def _plan(plan: SpecificationPlan, seed: int, manner: Manner) -> SpecificationPlan:
    """Ask every prompt that has few enough options, then the default in a shuffled order, with another instruction, and with both."""
    default = plan.specifications[plan.default]
    kept = [(i, point) for i, point in enumerate(plan.specifications) if i == plan.default or _can_be_asked(point, plan)]
    points = [replace(point, measurement=_with_question(point.measurement, manner)) for _, point in kept]
    other = OTHER_INSTRUCTION
    variants = {"shuffled": ("which", seed), f"instruction '{other}'": (other, None), f"instruction '{other}', shuffled": (other, seed)}
    points += [
        Specification(
            default.preset, f"{default.variant}, {words}", _with_question(default.measurement, manner, instruction=name, seed=order)
        )
        for words, (name, order) in variants.items()
    ]
    return replace(plan, specifications=tuple(points), default=[i for i, _ in kept].index(plan.default))


def _can_be_asked(point: Specification, plan: SpecificationPlan) -> bool:
    label_set = point.measurement.label_set
    short = len(label_set.labels) <= MAX_OPTIONS and all(len(texts) == 1 for texts in label_set.prompts.values())
    return short and point.preset not in plan.embedded_only


def _asking_notes(seed: int, dropped: int, several: bool, manner: Manner) -> tuple[Note, ...]:
    instructions = tuple(f"‘{name}’ (v1): “{text}”" for name, text in INSTRUCTIONS.items())
    return (
        Note("asked_instruction", {"instructions": instructions, "describe": DESCRIBE, "complete": COMPLETE}),
        *([] if manner.outcomes else [Note("asked_likelihood")]),
        *([Note("asked_letters", {"replies": tuple(f"“{new}”" for new in LETTER_REPLIES.values())})] if manner.letters else []),
        Note("asked_order", {"unclear": UNCLEAR, "seed": seed}),
        Note("asked_unclear", {"unclear": UNCLEAR}),
        *([Note("asked_outcomes", {"outcomes": manner.outcomes})] if manner.outcomes else []),
        *([Note("asked_repeats", {"count": manner.repeats})] if manner.repeats > 1 else []),
        *([Note("asked_first_prompt")] if several else []),
        *([Note("asked_fewer_prompts", {"count": dropped, "options": MAX_OPTIONS})] if dropped else []),
    )
