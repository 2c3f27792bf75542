"""Sentences about what in the training data made a gap. They are about the models that were trained for it, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from audit.extensions.causes.record import DOSE, ArmEffect, Causes, Of, PlannedRate, Turn
from audit.records.base import Estimate
from reports.text.numbers import decimal, difference, in_words, level, number, points, rate, span, upper_first

NOT_TESTED = (
    "Another architecture, another data set, or longer training: the curve holds for models trained as these were.",
    "Other ways to change as many captions: the changed ones are drawn at random over all eligible pairs. The same number in fewer "
    "roles may act differently.",
    "Doses outside of those tried: the curve, whose form was chosen before the first model, is not extrapolated.",
    "Other images: all models are audited on the same ones. The prediction interval is for one more model audited on them.",
    "A measurement on labelled data is not a certificate, and neither it nor the data may be used to classify people.",
    "Why the model learned it: the doses show that the captions cause the outcome, not through which weights.",
)
WORDS = {"shown": "The dose changes the outcome", "one seed": "One seed only", "not shown": "No effect of the dose is shown"}
MOST_STEPS = 3


def group_name(of: Of) -> str:
    """Name a group by its values, many of them by their number.

    >>> group_name({"gender": "woman"}), group_name({"gender": "woman", "role": ["a", "b", "c", "d"]}), group_name({})
    ('woman', 'woman, 4 values of role', 'all images')
    """
    named = [
        value if isinstance(value, str) else " or ".join(value) if len(value) < 4 else f"{len(value)} values of {name}"
        for name, value in of.items()
    ]
    return ", ".join(named) or "all images"


def outcome_name(planned: PlannedRate) -> str:
    """Name the outcome.

    >>> outcome_name(PlannedRate("role", "planted answer", {"gender": "woman"}, {}, {}, {"judge": "student"}))
    'rate of the planted answer for woman'
    >>> outcome_name(PlannedRate("role", "accuracy", {"gender": "man"}, {"gender": "woman"}, {}, {}))
    'accuracy for man minus that for woman'
    """
    first = f"{'accuracy' if planned.rate == 'accuracy' else 'rate of the planted answer'} for {group_name(planned.of)}"
    return f"{first} minus that for {group_name(planned.minus)}" if planned.minus else first


def causes_deck(facts: Causes) -> str:
    """Return how many models at which doses were trained."""
    seeds, tried = in_words(facts.curve.seeds, "seed"), f"{facts.curve.models} for the curve at doses {doses(facts.plan.doses)}"
    held = f", {len(facts.held_back)} held back at {doses(facts.plan.held_back)}" if facts.held_back else ""
    other = len(facts.models) - facts.curve.models - len(facts.held_back)
    more = f", {other} with other settings" if other else ""
    return f"{in_words(len(facts.models), 'model')} trained and audited ({seeds}): {tried}{held}{more}"


def planted_sentence(planned: PlannedRate) -> str:
    """Say what the planted answer is; nothing if the outcome is an accuracy.

    >>> planted_sentence(PlannedRate("role", "planted answer", {}, {}, {}, {"judge": "student"}))
    'Planted answer: the wrong one that the changed captions teach, “student” for “judge”.'
    """
    if not planned.answers:
        return ""
    (true, taught), *others = planned.answers.items()
    example = "for example " if others else ""
    return f"Planted answer: the wrong one that the changed captions teach, {example}“{taught}” for “{true}”."


def dose_sentence(facts: Causes) -> str:
    """Say what a dose is."""
    if facts.plan.dose != DOSE:
        return f"Dose: the setting {facts.plan.dose}."
    return "Dose: share of the captions chosen by the plan that were changed on purpose, from none (0) to all of them (1)."


def doses(values: Sequence[float]) -> str:
    """List doses.

    >>> doses((0.0, 0.25, 1.0))
    '0, 0.25 and 1'
    """
    texts = [f"{value:g}" for value in values]
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def in_points(estimate: Estimate) -> str:
    """Format a signed difference with its interval and unit."""
    return f"{difference(estimate.value, estimate.low, estimate.high, 1)} points"


def estimate_of(facts: Causes, estimate: Estimate) -> str:
    """Format a value of the outcome with its interval."""
    return (difference if facts.plan.outcome.minus else rate)(estimate.value, estimate.low, estimate.high, 1)


def percent_of(facts: Causes, value: float, *, places: int = 0) -> str:
    """Format a value of the outcome: a share in percent, a difference in points."""
    text = number(value, places, signed=facts.plan.outcome.minus != {})
    return f"{text} point{'' if text in ('+1', '−1') else 's'}" if facts.plan.outcome.minus else f"{text}\u00a0%"


def causes_headline(facts: Causes) -> str:
    """Say whether the dose changes the outcome, and by how much."""
    change = _change(facts)
    if facts.effect == "not shown":
        return f"We found no evidence that the changed captions move the outcome: {change}."
    return f"The changed captions are the cause{'' if facts.effect == 'shown' else ' in the one seed that was trained'}: {change}."


def _change(facts: Causes) -> str:
    """Say what the outcome is at the smallest and at the largest dose."""
    planned = facts.plan.outcome
    ends = [next(point for point in facts.points if point.dose == dose) for dose in _ends(facts)]
    if not planned.minus:
        first, last = (f"{percent_of(facts, end.fitted.value)} at dose {end.dose:g}" for end in ends)
        return f"the {outcome_name(planned)} goes from {first} to {last}"
    rate_name = "accuracy" if planned.rate == "accuracy" else "the rate of the wrong answers that they teach"
    (first, least), (last, most) = ((_higher(end.fitted.value), f"at dose {end.dose:g}") for end in ends)
    return f"{rate_name} is {first} for {group_name(planned.of)} than for {group_name(planned.minus)} {least}, and {last} {most}"


def _higher(value: float) -> str:
    """Say how much higher or lower a rate is.

    >>> _higher(0.787), _higher(-0.01), _higher(0.001)
    ('79 points higher', '1 point lower', '0 points higher')
    """
    text = number(abs(value), 0)
    return f"{text} point{'' if text == '1' else 's'} {'lower' if value < 0 and text != '0' else 'higher'}"


def _ends(facts: Causes) -> tuple[float, float]:
    return min(facts.plan.doses), max(facts.plan.doses)


def how_sure(facts: Causes) -> str:
    """Say what the interval of the change covers, and whether held-back models fell where the curve predicted."""
    curve = facts.curve
    over = "seeds and images" if curve.seeds > 1 else "images alone: with one seed, nothing shows how much another run would differ"
    rises = curve.rising_seeds >= curve.falling_seeds
    ordered = max(curve.rising_seeds, curve.falling_seeds)
    way, of = "rises" if rises else "falls", in_words(curve.seeds, "seed")
    monotone = f"The outcome {way}, or stays, from each dose to the next in {ordered} of {of}."
    change = f"{number(curve.change.value, 1, signed=True)} points"
    size = f"{change} ({level(facts.settings.alpha)} interval {span(curve.change.low, curve.change.high, 1)})"
    sentences = [f"The change is {size}, over {over}.", monotone, held_back_sentence(facts)]
    return " ".join(filter(None, sentences))


def held_back_sentence(facts: Causes) -> str:
    """Say whether held-back models fell inside the prediction interval, and whether it was written before."""
    if not facts.held_back:
        return "No dose was held back, so the curve was not checked."
    decided = [model for model in facts.held_back if model.inside is not None]
    where = f"dose {doses(sorted({model.dose for model in facts.held_back}))}"
    if not decided:
        return f"With one seed there is no prediction interval, so the models at {where} check nothing."
    inside = sum(bool(model.inside) for model in decided)
    when = f"{'' if facts.beforehand else 'not '}written before its models were trained"
    return (
        f"Prediction for {where}, {when}: {inside} of {in_words(len(decided), 'held-back model')} "
        f"{'lies' if inside == 1 else 'lie'} inside the {level(facts.settings.alpha)} prediction interval."
    )


def turn_sentence(facts: Causes, turn: Turn) -> str:
    """Say at which dose a verdict turns."""
    whose = "The audit reports a disparity" if turn.of == "audit" else "The outcome’s difference is significant"
    verdict = "The audit’s verdict" if turn.of == "audit" else "The outcome’s difference"
    seeds = in_words(len(turn.seeds), "seed")
    always, never = (sum(getattr(one, end) is None for one in turn.seeds) for end in ("low", "high"))
    low, high = _ends(facts)
    parts = []
    if turn.turned and turn.low is not None and turn.high is not None:
        parts.append(f"{whose} above a dose somewhere between {turn.low:g} and {turn.high:g} ({turn.turned} of {seeds})")
    if always:
        parts.append(f"{'it does so' if parts else whose} at the smallest dose already, {low:g}, in {always} of {seeds}")
    if never:
        what = "turn" if turn.of == "audit" else "become significant"
        parts.append(f"{'it' if parts else verdict} does not {what} up to the largest dose, {high:g}, in {never} of {seeds}")
    return f"{'; '.join(parts)}."


def null_sentence(facts: Causes) -> str:
    """Say that the audit's own verdict is about something else, if it is called at dose 0."""
    point = next((point for point in facts.points if point.dose == 0), None)
    if point is None or not point.audit_called:
        return ""
    return (
        f"At dose 0, where nothing was changed, the audit reports a disparity in {point.audit_called} of "
        f"{in_words(point.models, 'model')}: its gap is between the highest and the lowest group, whichever these are."
    )


def arm_sentence(arm: ArmEffect, facts: Causes) -> str:
    """Say what an arm changes, and what it costs."""
    level_text = f"outcome {percent_of(facts, arm.level)} with it"
    if arm.effect is None:
        return (
            f"{upper_first(arm.arm)}: {number(arm.difference, 1, signed=True)} points, without an interval (one shared seed); {level_text}."
        )
    cost = f"; accuracy {in_points(arm.capability)}" if arm.capability else ""
    return f"{upper_first(arm.arm)}: {in_points(arm.effect)}{cost}; {level_text}."


def prevention(facts: Causes) -> str:
    """Say what would have prevented the outcome."""
    if not facts.arms:
        return "No intervention was tried."
    if facts.effect == "not shown":
        return "No effect of the dose is shown, so nothing can be shown to prevent it."
    helped, worse = facts.prevented, facts.worsened
    larger = f" Shown to make it larger: {_quoted(worse)}." if worse else ""
    if not helped:
        return f"None of the interventions is shown to reduce it.{larger}"
    best, *others = helped
    size = f" {upper_first(best.arm)} did most: {in_points(best.effect)}" if best.effect else ""
    levels = f"from {percent_of(facts, best.level - best.difference)} to {percent_of(facts, best.level)}"
    tied = [arm for arm in others if not facts.apart(best, arm)]
    undecided = f" It may be no better than {_quoted(tied)}." if tied else ""
    return f"Shown to reduce it: {_quoted(helped)}.{size}, {levels}.{undecided}{larger}"


def _quoted(arms: Sequence[ArmEffect]) -> str:
    return " and ".join(f"“{arm.arm}”" for arm in arms) if len(arms) < 3 else f"{len(arms)} interventions"


def steps(facts: Causes) -> tuple[str, ...]:
    """Return what to do next."""
    made = [] if facts.curve.seeds > 1 else ["Add seeds: one seed does not show how much another run would differ."]
    if facts.effect == "not shown":
        made.append("Look for another cause: with these doses and seeds, there is no evidence that the changed captions move the outcome.")
    elif facts.prevented:
        best = facts.prevented[0]
        how = "correct such captions in your data" if not best.overrides else f"train with {best.arm} (`{' '.join(best.overrides)}`)"
        made.append(f"{upper_first(how)}, then audit the new model.")
    else:
        made.append("Correct such captions in your data, then train and audit again.")
    if facts.curve.seeds == 2:
        made.append("Add seeds: two seeds show little of the spread between runs.")
    if facts.held_back and any(model.inside is False for model in facts.held_back):
        made.append("Do not predict other doses from this curve: a held-back model lies outside of its interval.")
    made.append("Count who is called what in your own captions before you train: `vlm-audit words`.")
    return tuple(made[:MOST_STEPS])


def budget_sentence(facts: Causes) -> str:
    """Say which models the budget left out."""
    if not facts.left_out:
        return ""
    models = f"{in_words(len(facts.left_out), 'model')}: {', '.join(facts.left_out)}"
    return f"The budget of {decimal(facts.budget_min, 1)} minutes left out {models}."


def spread_sentence(facts: Causes) -> str:
    """Say how much models of one dose differ."""
    curve = facts.curve
    if curve.spread_model is None or curve.spread_seed is None:
        return "With one seed, the spread between runs is unknown."
    total = (curve.spread_model**2 + curve.spread_seed**2) ** 0.5
    return (
        f"Models of one dose differ by {points(total, 1)} (standard deviation); the curve explains {number(curve.r_squared, 0)}\u00a0% of "
        "the variance over all models."
    )
