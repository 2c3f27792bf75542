"""A probe, as a generative model is asked it: every question in a fixed and in a shuffled order, with "unclear" among the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from audit.measure.likelihood import COMPLETE, DESCRIBE, INSTRUCTIONS, OTHER, SAME, UNCLEAR, question, with_options, with_unclear
from audit.types import Claim, LabelSet, Measurement, Probe, Question, Specification, SpecificationPlan

MAX_OPTIONS = 40
"""A longer list is no question that anybody would ask; wordings that need one are left out of the curves."""


@dataclass(frozen=True)
class Questionnaire:
    """What is asked, and how it belongs together."""

    probe: Probe
    """Its measurements carry their `Question`; one that compares two orders follows each of them."""
    compared: Mapping[str, Measurement]
    """measurement of agreement -> the measurement in fixed order; its own question is the shuffled one."""
    asked: tuple[str, ...]
    """How it is asked, in words, for the report."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every distinct question."""
        return tuple(dict.fromkeys(measurement.asked for measurement in _measurements(self.probe) if measurement.asked))


def questionnaire(probe: Probe, seed: int) -> Questionnaire:
    """Return what a generative model is asked.

    Parameters
    ----------
    probe : Probe
        Each of its measurements gets the outcome "unclear" with its rate by group, and is followed by a measurement of whether the answer
        stays the same when the options are shuffled; both are context, outside the verdict. The default of every wording curve is also
        asked with shuffled options and with another instruction.
    seed : int
        Of the shuffled order.
    """
    measurements: list[Measurement] = []
    compared: dict[str, Measurement] = {}
    for measurement in probe.measurements:
        fixed = _with_question(measurement)
        order = _order_measurement(fixed, question(with_unclear(measurement.label_set), seed=seed))
        compared[order.name] = fixed
        measurements += [_unclear_claimed(fixed), order]
    plans = tuple(_plan(plan, seed) for plan in probe.specifications)
    dropped = sum(len(plan.specifications) for plan in probe.specifications) + 3 * len(plans) - sum(len(p.specifications) for p in plans)
    several = any(len(texts) > 1 for m in probe.measurements for texts in m.label_set.prompts.values())
    return Questionnaire(
        replace(probe, measurements=tuple(measurements), specifications=plans), compared, _in_words(seed, dropped, several)
    )


def _measurements(probe: Probe) -> Iterator[Measurement]:
    yield from probe.measurements
    for plan in probe.specifications:
        yield from (point.measurement for point in plan.specifications)


def _with_question(measurement: Measurement, *, instruction: str = "which", seed: int | None = None) -> Measurement:
    label_set = with_unclear(measurement.label_set)
    asked = question(label_set, instruction=instruction, seed=seed)
    return replace(measurement, label_set=with_options(label_set, asked), asked=asked)


def _unclear_claimed(measurement: Measurement) -> Measurement:
    claims = (Claim("selection_rate", (name,), UNCLEAR, primary=False) for name in _attributes(measurement))
    return replace(
        measurement,
        outcomes={**measurement.outcomes, UNCLEAR: (UNCLEAR,)},
        claims=tuple(dict.fromkeys((*measurement.claims, *claims))),
    )


def _order_measurement(fixed: Measurement, shuffled: Question) -> Measurement:
    """Return the measurement of whether the answer stays the same: asked is the shuffled question, the two answers are compared."""
    return Measurement(
        name=f"{fixed.name}: order",
        question=f"Does the answer to '{fixed.name}' stay the same when the options are shuffled?",
        label_set=LabelSet("order", (SAME, OTHER), {SAME: (), OTHER: ()}),
        preset=fixed.preset,
        claims=tuple(Claim("selection_rate", (name,), SAME, primary=False) for name in _attributes(fixed)),
        outcomes={SAME: (SAME,)},
        asked=shuffled,
    )


def _attributes(measurement: Measurement) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for claim in measurement.claims for name in claim.by))


def _plan(plan: SpecificationPlan, seed: int) -> SpecificationPlan:
    """Ask every wording that can be asked, then the default in a shuffled order, with another instruction, and with both."""
    kept = [(i, point) for i, point in enumerate(plan.specifications) if i == plan.default or _can_be_asked(point, plan)]
    points = [replace(point, measurement=_with_question(point.measurement)) for _, point in kept]
    default = plan.specifications[plan.default]
    other = next(name for name in INSTRUCTIONS if name != "which")
    manners = {"shuffled": ("which", seed), f"instruction '{other}'": (other, None), f"instruction '{other}', shuffled": (other, seed)}
    points += [
        Specification(default.preset, f"{default.variant}, {words}", _with_question(default.measurement, instruction=name, seed=order))
        for words, (name, order) in manners.items()
    ]
    return replace(plan, specifications=tuple(points), default=[i for i, _ in kept].index(plan.default))


def _can_be_asked(point: Specification, plan: SpecificationPlan) -> bool:
    label_set = point.measurement.label_set
    if point.preset in plan.embedded_only:
        return False
    return len(label_set.labels) <= MAX_OPTIONS and all(len(texts) == 1 for texts in label_set.prompts.values())


def _in_words(seed: int, dropped: int, several: bool) -> tuple[str, ...]:
    instructions = "; ".join(f"‘{name}’ (v1): “{text}”" for name, text in INSTRUCTIONS.items())
    said = [
        f"Instruction, word for word: {instructions}. ‘which’ is the default. “{{task}}” is “{DESCRIBE}”, or “{COMPLETE}” where all "
        "prompts of a label set begin with the same words. The options follow, one a line; the prompts below show every question whole.",
        "Nothing is generated: each option is scored by its likelihood after the question. Normalisation: the mean log-likelihood of "
        "the option's own tokens, the end of the answer not counted. The likeliest option is the answer. Scores are the softmax over the "
        "options; they are not calibrated probabilities.",
        f"Order: as declared, ‘{UNCLEAR}’ last. Shuffled order: one permutation of the options for all images, drawn with seed {seed}; "
        "the measurements named “: order” say how often the answer stays the same, by group.",
        f"Unclear: every question also offers ‘{UNCLEAR}’. Its rate by group is an outcome of its own, outside the verdict. Where there "
        "is a true answer, ‘unclear’ is not it and counts against accuracy.",
    ]
    if several:
        said.append("Where a label has several prompts, only the first is its option: the mean of several texts is an idea of embeddings.")
    if dropped:
        said.append(
            f"{dropped} wordings were left out of the wording curves: they need over {MAX_OPTIONS} options, average several prompts, or "
            "are further templates of the kind that cost an encoder a line of text, and this model a pass over every image."
        )
    return tuple(said)
