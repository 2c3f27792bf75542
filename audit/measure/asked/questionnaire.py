"""A probe, as a generative model is asked it: every question in a fixed and in a shuffled order, with "unclear" among the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from audit.measure.asked.likelihood import COMPLETE, DESCRIBE, INSTRUCTIONS, OTHER, REPLY, build_question, with_options, with_unclear
from audit.naming import order_name
from audit.plans import WordRatePlan
from audit.types import SAME_ANSWER, UNCLEAR, Claim, LabelSet, Measurement, Note, Probe, Question, Specification, SpecificationPlan

MAX_OPTIONS = 40
"""Prompts that need a longer list of options are left out of the curves."""


@dataclass(frozen=True)
class Questionnaire:
    """What is asked, and how it belongs together."""

    probe: Probe
    """Its measurements carry their `Question`; one that compares two orders follows each of them."""
    compared: Mapping[str, Measurement]
    """measurement of agreement -> the measurement in fixed order; its own question is the shuffled one."""
    asked: tuple[Note, ...]
    """How it is asked, for the report."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every distinct question."""
        points = (point.measurement for plan in self.probe.specifications for point in plan.specifications)
        return tuple(dict.fromkeys(each.asked for each in (*self.probe.measurements, *points) if each.asked))


def questionnaire(probe: Probe, seed: int) -> Questionnaire:
    """Return what a generative model is asked; `seed` shuffles the options.

    Each measurement gets the outcome "unclear" with its rate by group, and is followed by a measurement of whether the answer stays the
    same when the options are shuffled; both are exploratory. The default of every prompt curve is also asked with shuffled options and with
    another instruction.
    """
    measurements: list[Measurement] = []
    compared: dict[str, Measurement] = {}
    among_others = [each for each in probe.measurements if each.options and each.options.others]
    for measurement in probe.measurements:
        if measurement in among_others:
            continue
        by_row = measurement.options is not None
        fixed = _by_row(measurement) if by_row else _with_question(measurement)
        order = _order_measurement(fixed, None if by_row else build_question(with_unclear(measurement.label_set), seed=seed))
        compared[order.name] = fixed
        measurements += [_unclear_claimed(fixed), order]
    plans = tuple(_plan(plan, seed) for plan in probe.specifications)
    dropped = sum(len(plan.specifications) for plan in probe.specifications) + 3 * len(plans) - sum(len(p.specifications) for p in plans)
    several = any(len(texts) > 1 for m in probe.measurements for texts in m.label_set.prompts.values())
    unasked = tuple(each.question for each in probe.analyses if not isinstance(each, WordRatePlan))
    notes = [
        *_asking_notes(seed, dropped, several),
        *([Note("no_embeddings", {"questions": unasked})] if unasked else []),
        *([Note("asked_rows", {"reply": REPLY})] if any(each.options for each in measurements) else []),
        *(Note("not_asked_among_others", {"measurement": each.name}) for each in among_others),
    ]
    return Questionnaire(replace(probe, measurements=tuple(measurements), specifications=plans, analyses=()), compared, tuple(notes))


def _with_question(measurement: Measurement, *, instruction: str = "which", seed: int | None = None) -> Measurement:
    label_set = with_unclear(measurement.label_set)
    asked = build_question(label_set, instruction=instruction, seed=seed)
    return replace(measurement, label_set=with_options(label_set, asked), asked=asked)


def _by_row(measurement: Measurement) -> Measurement:
    """Return a measurement whose question each row brings, with "unclear" among its roles."""
    return replace(measurement, label_set=with_unclear(replace(measurement.label_set, prompts={})))


def _unclear_claimed(measurement: Measurement) -> Measurement:
    asked = {(claim.metric, claim.outcome, claim.by) for claim in measurement.claims}  # a probe may ask for "unclear" itself
    added = (each for each in _exploratory(measurement, UNCLEAR) if (each.metric, each.outcome, each.by) not in asked)
    claims = (*dict.fromkeys(measurement.claims), *added)
    return replace(measurement, outcomes={**measurement.outcomes, UNCLEAR: (UNCLEAR,)}, claims=claims)


def _order_measurement(fixed: Measurement, shuffled: Question | None) -> Measurement:
    """Return the measurement of whether the answer stays the same: asked is the shuffled question, the two answers are compared."""
    return Measurement(
        name=order_name(fixed.name),
        question=f"Does the answer to '{fixed.name}' stay the same when the options are shuffled?",
        label_set=LabelSet("order", (SAME_ANSWER, OTHER), {SAME_ANSWER: (), OTHER: ()}),
        preset=fixed.preset,
        claims=_exploratory(fixed, SAME_ANSWER),
        outcomes={SAME_ANSWER: (SAME_ANSWER,)},
        asked=shuffled,
    )


def _exploratory(measurement: Measurement, outcome: str) -> tuple[Claim, ...]:
    names = dict.fromkeys(name for claim in measurement.claims for name in claim.by)
    return tuple(Claim("selection_rate", (name,), outcome, primary=False) for name in names)


def _plan(plan: SpecificationPlan, seed: int) -> SpecificationPlan:
    """Ask every prompt that can be asked, then the default in a shuffled order, with another instruction, and with both."""
    default = plan.specifications[plan.default]
    kept = [(i, point) for i, point in enumerate(plan.specifications) if i == plan.default or _can_be_asked(point, plan)]
    points = [replace(point, measurement=_with_question(point.measurement)) for _, point in kept]
    other = next(name for name in INSTRUCTIONS if name != "which")
    manners = {"shuffled": ("which", seed), f"instruction '{other}'": (other, None), f"instruction '{other}', shuffled": (other, seed)}
    points += [
        Specification(default.preset, f"{default.variant}, {words}", _with_question(default.measurement, instruction=name, seed=order))
        for words, (name, order) in manners.items()
    ]
    return replace(plan, specifications=tuple(points), default=[i for i, _ in kept].index(plan.default))


def _can_be_asked(point: Specification, plan: SpecificationPlan) -> bool:
    label_set = point.measurement.label_set
    short = len(label_set.labels) <= MAX_OPTIONS and all(len(texts) == 1 for texts in label_set.prompts.values())
    return short and point.preset not in plan.embedded_only


def _asking_notes(seed: int, dropped: int, several: bool) -> tuple[Note, ...]:
    instructions = tuple(f"‘{name}’ (v1): “{text}”" for name, text in INSTRUCTIONS.items())
    return (
        Note("asked_instruction", {"instructions": instructions, "describe": DESCRIBE, "complete": COMPLETE}),
        Note("asked_likelihood"),
        Note("asked_order", {"unclear": UNCLEAR, "seed": seed}),
        Note("asked_unclear", {"unclear": UNCLEAR}),
        *([Note("asked_first_prompt")] if several else []),
        *([Note("asked_fewer_prompts", {"count": dropped, "options": MAX_OPTIONS})] if dropped else []),
    )
