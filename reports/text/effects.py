"""Sentences about effect questions: which of two groups scores higher, and how a rate changes along ordered levels."""

from __future__ import annotations

from audit.gates.parse import PlannedEffect, PlannedQuestion
from audit.records.effect import Effect, EffectReason, EffectResult
from audit.results import AuditResult
from audit.types import Settings
from reports.text import phrases
from reports.text.missing_truth import MISSING, effect_withheld_sentence
from reports.text.numbers import decimals, exact_points, in_words, level, number, p_phrase, p_value, percent, points, span
from reports.text.sentences import VERDICTS, metric_of
from reports.text.units import TOGETHER

WHY_NOT: dict[EffectReason, str] = {
    "groups": "fewer than two groups have enough images (and, if images come in clusters, enough clusters)",
    "levels": "fewer than three levels have images, or there are too few images or clusters in all",
    "constant": "nothing varies: every image has the same score, or no image is an event, or every image is one",
    "unresponsive": "we found no evidence that the answers depend on the images",
    "units": TOGETHER,
}


def effect_title(effect: EffectResult | PlannedEffect) -> str:
    """Return the name of an effect question: ``Scores of ‘unsafe’ by gender``, ``Trend of accuracy along age (gender)``."""
    by, of = phrases.attributes([effect.attribute]), "" if effect.measurement == "predictions" else f" ({effect.measurement})"
    if effect.kind == "superiority":
        return f"Scores of ‘{effect.outcome}’ by {by}{of}"
    return f"Trend of {_rate(effect)} along {by}{of}"


def _rate(effect: EffectResult | PlannedEffect) -> str:
    named = PlannedQuestion(effect.id, effect.measurement, effect.metric or "", effect.outcome, (effect.attribute,), True, "neither")
    return metric_of(named, None)


def effect_sentence(effect: EffectResult, alpha: float) -> str:
    """Return the leading effect as a sentence with its interval, without a verdict; why not, if it is not estimable.

    If missing true answers leave it undecided, that is said, too.
    """
    leading = effect.leading
    if leading is None or effect.reason is not None:
        return f"{effect_title(effect)}: not estimable, because {WHY_NOT[effect.reason or 'groups']}."
    return f"{_estimated(effect, leading, alpha)} {effect_withheld_sentence(effect, alpha)}".rstrip()


def _estimated(effect: EffectResult, leading: Effect, alpha: float) -> str:
    places = decimals(leading.low, leading.high)
    interval = f"{level(alpha)} interval {number(leading.low, places)} to {number(leading.high, places)}"
    if effect.kind == "superiority":
        same = " with the same true answer" if effect.within_truth else ""
        return (
            f"For ‘{effect.outcome}’, an image of {leading.first} scores higher than one of {leading.second}{same} in "
            f"{percent(leading.value, places)} of pairs ({interval}; no difference: 50\u00a0%)."
        )
    at_equal = " at equal true shares" if effect.within_truth else ""
    moves = "rises" if leading.value >= 0 else "falls"
    if leading.value < 0:
        interval = f"{level(alpha)} interval {number(-leading.high, places)} to {number(-leading.low, places)}"
    rate = _rate(effect)
    return (
        f"{rate[:1].upper()}{rate[1:]}{at_equal} {moves} by {points(abs(leading.value), places)} from one level of "
        f"{phrases.attributes([effect.attribute])} to the next ({interval}), from {leading.first} to {leading.second}."
    )


def verdict_sentence(effect: EffectResult, settings: Settings) -> str:
    """Return verdict and leading effect: ``Disparity: For ‘unsafe’, an image of …``."""
    word = VERDICTS[effect.verdict].word
    more = ""
    if effect.verdict == "equivalent":
        more = f" All of it is within {_tolerance(effect)}."
    elif effect.verdict in ("inconclusive", "no signal") and _says_detectable(effect):
        more = f" {_detectable(effect)}"
    return f"{word}. {effect_sentence(effect, settings.alpha)}{more}"


def _tolerance(effect: EffectResult) -> str:
    ends = "" if effect.kind == "superiority" else " from the first level to the last"
    around = " of 50\u00a0%" if effect.kind == "superiority" else ""
    return f"{exact_points(effect.tolerance)}{around}{ends}"


def _says_detectable(effect: EffectResult) -> bool:
    """Whether the number of images may be why a question is undecided."""
    return effect.minimum_detectable is not None and bool(effect.effects) and not effect.withheld


def _detectable(effect: EffectResult) -> str:
    least = effect.minimum_detectable or 0.0
    if effect.kind == "superiority":
        return f"Only a share above {percent(min(0.5 + least, 1.0))} could be reliably detected."
    return f"Only a change above {points(least)} over all {effect.steps} steps could be reliably detected."


def p_text(effect: EffectResult) -> str:
    """Return the p before and after correction."""
    if effect.p is None or effect.p_adjusted is None:
        return ""
    return p_value(effect.p) if p_value(effect.p) == p_value(effect.p_adjusted) else f"{p_value(effect.p)}; {p_value(effect.p_adjusted)}"


def effect_text(effect: Effect, result: EffectResult) -> str:
    """Return one effect with its interval: ``66 % [60, 71]`` or ``+5.2 points a step``."""
    places = decimals(effect.low, effect.high)
    if result.kind == "superiority":
        return f"{percent(effect.value, places)} {span(effect.low, effect.high, places)}"
    return f"{number(effect.value, places, signed=True)} {span(effect.low, effect.high, places, signed=True)}"


def planned_effects(audit: AuditResult) -> list[EffectResult]:
    """Return the planned effect questions, disparities first, then by p."""
    order = ("disparity", "inconclusive", "equivalent", "not estimable")
    planned = [effect for effect in audit.effects if effect.primary]
    return sorted(planned, key=lambda effect: (order.index(effect.verdict), 1.0 if effect.p is None else effect.p))


def brief_sentence(effect: EffectResult) -> str:
    """Return the leading effect in a line, with the p after correction, or what could be detected if it is undecided."""
    title, leading = effect_title(effect), effect.leading
    if leading is None or effect.reason is not None:
        return f"{title}: not estimable, because {WHY_NOT[effect.reason or 'groups']}"
    size = effect_text(leading, effect)
    of = (
        f"{leading.first} above {leading.second} in {size} of pairs"
        if effect.kind == "superiority"
        else f"{size} points from one level to the next, {leading.first} to {leading.second}"
    )
    adjusted = "" if effect.p_adjusted is None else f", adjusted {p_phrase(effect.p_adjusted)}"
    more = f". {_detectable(effect)}" if effect.verdict == "inconclusive" and _says_detectable(effect) else ""
    more = f". Undecided: {MISSING}" if effect.withheld else more
    return f"{title}: {of}{adjusted}{more}"


def signals_line(audit: AuditResult, settings: Settings) -> str:
    """Return what summary and terminal say of the questions that were not planned: how many are beyond chance, and the strongest."""
    explored = [effect for effect in audit.effects if not effect.primary]
    signals = sorted((effect for effect in explored if effect.verdict == "signal"), key=lambda effect: effect.p or 0.0)
    if not signals:
        return ""
    strongest = f"{effect_sentence(signals[0], settings.alpha)[:-1]} (adjusted {p_phrase(signals[0].p_adjusted or 0.0)})"
    of = f"{len(signals)} of {in_words(len(explored), 'question')} about scores and trends"
    return f"{phrases.NOT_PLANNED}{of} {'is' if len(signals) == 1 else 'are'} beyond chance. Most significant: {strongest}."
