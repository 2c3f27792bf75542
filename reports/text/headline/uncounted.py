"""What the verdict does not count, or may count twice: images outside the compared groups, with their pooled rate, and rows that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.records.effect import EffectResult
from audit.records.finding import Rate, Uncovered
from audit.results import AuditResult, Finding
from audit.types import Group, Settings
from reports.text import notes, phrases
from reports.text.effects import planned_effects
from reports.text.headline.differences import rate_name
from reports.text.missing_truth import effect_filled_sentence, filled_sentence, lacking_by_answer, lacking_sentence
from reports.text.numbers import count, decimals, end, in_words, level, percent, points
from reports.text.order import planned

_CODES = ("log_limited", "equal_rows_by_group", "judged_again")
_MOST = 3
_ROUNDING = 1e-9


def uncounted_sentences(audit: AuditResult, settings: Settings) -> Iterator[str]:
    """Say which images planned questions do not compare, which samples of a log were not run, and whether rows repeat in a group."""
    yield from _unscored(audit)
    yield from _uncovered(audit, settings)
    yield from _of_effects(audit, settings.alpha)
    yield from (notes.sentence(note) for note in audit.data.notes if note.code in _CODES)


def _unscored(audit: AuditResult) -> Iterator[str]:
    """Say how many images no question counts, if all have the same true answers, and these are unknown."""
    truths = {record.truth for record in audit.measurements}
    unscored = {note.values["measurement"]: note.values["count"] for note in audit.warnings if note.code == "not_scored"}
    missing = min((int(str(unscored.get(record.name, 0))) for record in audit.measurements), default=0)
    if missing and len(truths) == 1 and (truth := truths.pop()) is not None:
        lack = "has" if missing == 1 else "have"
        of = in_words(audit.data.used, "image")
        yield f"{count(missing)} of {of} {lack} no {phrases.attributes([truth])}: no question counts {'it' if missing == 1 else 'them'}."


def _uncovered(audit: AuditResult, settings: Settings) -> Iterator[str]:
    """Yield sentences about images that planned questions leave out, once per attribute and reason; first what leaves gates undecided."""
    questions: dict[tuple[Group, str], list[tuple[Finding, Uncovered]]] = {}
    order = {"disparity": 0, "equivalent": 1, None: 2}
    for finding in sorted(planned(audit.findings), key=lambda finding: (order.get(finding.withheld, 2), finding.metric != "accuracy")):
        said = [one for one in finding.uncovered if one.code != "no true answer" or not lacking_by_answer(finding)]
        for one in said:
            questions.setdefault((finding.attributes, one.code), []).append((finding, one))
    clearest = [_clearest(pairs, settings) for pairs in questions.values()]
    chosen = sorted(clearest, key=lambda pair: (not _matters(pair, settings), -pair[1].n))
    yield from (uncovered_sentence(finding, one, audit, settings) for finding, one in chosen[:_MOST])


def _of_effects(audit: AuditResult, alpha: float) -> Iterator[str]:
    """Say where true answers are missing depending on the answer for planned scores and trends; once per attribute, unless rates say it."""
    said = {attribute for finding in planned(audit.findings) if lacking_by_answer(finding) for attribute in finding.attributes}
    for effect in planned_effects(audit):
        if effect.missing_truth is not None and effect.attribute not in said:
            yield effect_uncovered_sentence(effect, alpha)
            said.add(effect.attribute)


def effect_uncovered_sentence(effect: EffectResult, alpha: float) -> str:
    """Say where true answers are missing depending on the answer, and what that may change of scores or of a trend."""
    one = effect.missing_truth
    if one is None or one.filled is None:
        return ""
    reach = points(one.filled.reach, decimals(0.0, one.filled.reach))
    gate = f"No gate on this question holds with a limit below {reach}."
    return f"{lacking_sentence(one)} {effect_filled_sentence(effect, one.filled, alpha)} {gate}"


def _clearest(questions: Sequence[tuple[Finding, Uncovered]], settings: Settings) -> tuple[Finding, Uncovered]:
    """The first question for which the images matter, or the first: accuracy, if it is asked."""
    return next((pair for pair in questions if _matters(pair, settings)), questions[0])


def _matters(pair: tuple[Finding, Uncovered], settings: Settings) -> bool:
    """Whether a difference is shown that may exceed the tolerance, or a group of many images cannot be judged."""
    finding, one = pair
    return one.matters(finding.tolerance) or (one.code == "not compared" and bool(finding.unjudged(settings.min_group_size)))


def unjudged_sentence(question: Finding | EffectResult, settings: Settings) -> str:
    """``C has too few clusters to be judged, so no gate on this gap holds.``; empty if every group of many images is judged."""
    unjudged = question.unjudged(settings.min_group_size)
    if not unjudged:
        return ""
    clusters = question.overall.clusters is not None if isinstance(question, Finding) else question.clusters
    names = phrases.some([phrases.group(one.group) if isinstance(one, Rate) else one.level for one in unjudged])
    lack = "too few clusters" if clusters else "effectively too few images"
    return f"{names} {'has' if len(unjudged) == 1 else 'have'} {lack} to be judged, so no gate on this gap holds."


def uncovered_sentence(finding: Finding, one: Uncovered, audit: AuditResult, settings: Settings) -> str:
    """Say how many images are left out, their rate with its interval, and how it differs, if it is shown to."""
    alpha = settings.alpha
    if one.filled is not None:
        filled = filled_sentence(finding, one.filled, alpha, rate_name(finding, audit))
        return f"{lacking_sentence(one)} {filled} No gate on this gap holds with a limit below {_reach(finding)}."
    told = _without_truth(finding, one, alpha) if one.code == "no true answer" else _pooled(finding, one, audit, alpha)
    if one.code == "not compared" and (unjudged := unjudged_sentence(finding, settings)):
        return f"{told} {unjudged}"
    reach = points(max(-one.difference_low, one.difference_high), decimals(one.difference_low, one.difference_high))
    return f"{told} {_why(finding, one)}: no gate on this gap holds with a limit below {reach}." if one.shown else told


def _reach(finding: Finding) -> str:
    """How large a gap may be where true answers are missing, by answer or by group."""
    missing = [one for one in finding.uncovered if one.shown and one.code == "no true answer"]
    reach = max(one.filled.reach if one.filled else one.difference_high for one in (*missing, *filter(None, [lacking_by_answer(finding)])))
    return points(reach, decimals(0.0, reach))


def _pooled(finding: Finding, one: Uncovered, audit: AuditResult, alpha: float) -> str:
    """``64 images without race (2.1 %) are not compared: 0 of 64 right, 0.0 % (95 % interval 0.0 to 5.7), 93 points less than …``."""
    names, groups = phrases.attributes(finding.attributes), sum(rate.n > 0 and rate.status != "ok" for rate in finding.by_group)
    which = f"without {names}" if one.code == "unknown group" else f"of {in_words(groups, 'group')} of {names}"
    left = f"{in_words(one.n, 'image')} {which} ({percent(one.n / finding.overall.n, 1)}) {'is' if one.n == 1 else 'are'} not compared"
    accuracy, places = finding.metric == "accuracy", decimals(one.low, one.high)
    counted = f"{count(one.events)} of {count(one.n)}{' right' * accuracy}, "
    rate = f"{'' if accuracy else f'{rate_name(finding, audit)} '}{counted if abs(one.value - one.events / one.n) < _ROUNDING else ''}"
    size = f"{percent(one.value, places)} ({level(alpha)} interval {_ends(one.low, one.high)})"
    side = "less" if one.difference < 0 else "more"
    apart = f", {_size(one)} {side} than in the compared groups ({_distance(one)})" if one.shown else ""
    return f"{left}: {rate}{size}{apart}."


def _without_truth(finding: Finding, one: Uncovered, alpha: float) -> str:
    """``104 images have no true answer: 17 % of C and 0 % of A, 17 points apart (95 % interval 13 to 22).``"""
    places = decimals(one.difference_low, one.difference_high)
    shares = [(one.value, one.group), (one.value - one.difference, one.other)]
    of = " and ".join(f"{percent(max(share, 0.0), places)} of {phrases.group(group)}" for share, group in shares)
    apart = f", {_size(one)} apart ({level(alpha)} interval {_distance(one)})" if one.shown else ""
    return f"{in_words(one.n, 'image')} {'has' if one.n == 1 else 'have'} no true answer: {of}{apart}."


def _why(finding: Finding, one: Uncovered) -> str:
    """Say why the compared groups alone decide no gate."""
    return {
        "not compared": "They are shown to fare worse" if finding.better != "neither" else "They are shown to differ",
        "unknown group": f"Whether {phrases.attributes(finding.attributes)} is known depends on the answer",
        "no true answer": "Whether an answer is judged depends on the group",
    }[one.code]


def _size(one: Uncovered) -> str:
    return points(abs(one.difference), decimals(one.difference_low, one.difference_high))


def _distance(one: Uncovered) -> str:
    low, high = sorted((abs(one.difference_low), abs(one.difference_high)))
    return _ends(low, high)


def _ends(low: float, high: float) -> str:
    places = decimals(low, high)
    return f"{end(low, places)} to {end(high, places)}"
