"""Where true answers are missing depending on the answer: how many, of which groups and answers, and what they may change."""

from __future__ import annotations

from audit.records.comparison import Change
from audit.records.effect import EffectResult
from audit.records.finding import FilledTruth, LackingTruth, Uncovered
from audit.results import Finding
from reports.text import phrases
from reports.text.numbers import decimals, in_words, level, percent, points

_MOST_GROUPS = 4
_DEPENDING = "Depending on the missing true answers,"
MISSING = "true answers are missing more often with some answers than with others"
MISSING_TAG = "true answers missing by answer"


def lacking_by_answer(finding: Finding) -> Uncovered | None:
    """Return the record of true answers that are missing depending on the answer, if they are."""
    return next((one for one in finding.uncovered if one.filled), None)


def lacking_sentence(one: Uncovered) -> str:
    """``382 images have no true answer, depending on the answer: of b, 35.1 % of answers ‘no’ and 0.0 % of other answers; of a, …``"""
    places = decimals(one.difference_low, one.difference_high)
    groups = sorted(one.lacking, key=lambda row: (row.group != one.group, -_share(row.lacking + row.others_lacking, row.n + row.others)))
    rows = [_of_group(row, _which(one) if row is groups[0] else ("", ""), places) for row in groups[:_MOST_GROUPS]]
    rows += [in_words(len(groups) - _MOST_GROUPS, "more group")] if len(groups) > _MOST_GROUPS else []
    return f"{in_words(one.n, 'image')} {'has' if one.n == 1 else 'have'} no true answer, depending on the answer: {'; '.join(rows)}."


def _which(one: Uncovered) -> tuple[str, str]:
    """Name the answers that lack a true answer more, or less, often, and the others."""
    if one.answered_by == "both":
        return " where both models answer alike", " where they do not"
    by = f" {one.answered_by}" if one.answered_by else ""
    return f" of answers ‘{one.answer}’{by}", f" of other answers{by}"


def _of_group(row: LackingTruth, which: tuple[str, str], places: int) -> str:
    own, others = (percent(_share(*counts), places) for counts in ((row.lacking, row.n), (row.others_lacking, row.others)))
    return f"of {phrases.group(row.group)}, {own}{which[0]} and {others}{which[1]}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def filled_sentence(finding: Finding, filled: FilledTruth, alpha: float, rate: str = "") -> str:
    """Say what the missing true answers may change: the ends of the difference (in a rate), or how far apart two groups may be."""
    of = f" in {rate}" if rate else ""
    if finding.withheld == "equivalent":
        reach = points(filled.reach, decimals(0.0, filled.reach))
        also = "; the ratio of their rates has no such limit" if finding.ratio_tolerance is not None else ""
        return f"{_DEPENDING} two groups may differ{of} by up to {reach} ({level(alpha)} limit){also}."
    least, most = (points(abs(one), decimals(filled.least, filled.most)) for one in (filled.least, filled.most))
    start = f"{least} in the other direction" if filled.least < 0 else least
    groups = f"{phrases.group(filled.higher)} and {phrases.group(filled.lower)}"
    ends = f"{_DEPENDING} {groups} differ{of} by anything from {start} to {most}"
    if finding.withheld is None or filled.least <= 0:
        return f"{ends}."
    if filled.low <= 0:
        return f"{ends}, and the {level(alpha)} interval of the former includes 0."
    inside = finding.gap is not None and finding.gap.within is not None
    return f"{ends}; {'this bounds no difference inside clusters' if inside else 'no single pair shows the difference'}."


def remains_sentence(finding: Finding, alpha: float) -> list[str]:
    """Say between which ends a difference lies that missing true answers leave standing, if true answers are missing."""
    one = lacking_by_answer(finding)
    return [] if one is None or one.filled is None else [filled_sentence(finding, one.filled, alpha)]


def withheld_sentence(finding: Finding, alpha: float) -> str:
    """Say that missing true answers leave a question undecided; empty if they do not."""
    one = lacking_by_answer(finding)
    if finding.withheld is None or one is None or one.filled is None:
        return ""
    return f"Undecided: {MISSING}. {filled_sentence(finding, one.filled, alpha)}"


def effect_filled_sentence(effect: EffectResult, filled: FilledTruth, alpha: float) -> str:
    """Say what the missing true answers may change of scores or of a trend: the ends of the estimate, or how far it may be from none."""
    scores = effect.kind == "superiority"
    if effect.withheld == "equivalent":
        reach = f"{points(filled.reach, decimals(0.0, filled.reach))}, {level(alpha)} limit"
        what = "the share of pairs may be up to that far from 50\u00a0%" if scores else "the change over all steps may be that large"
        return f"{_DEPENDING} {what}: {reach}."
    places = decimals(filled.least, filled.most)
    if scores:
        ends, none = f"this share of pairs is anything from {percent(filled.least, places)} to {percent(filled.most, places)}", "50\u00a0%"
    else:
        start = f"{points(abs(filled.least), places)}{' in the other direction' if filled.least < 0 else ''}"
        ends, none = f"this change is anything from {start} to {points(filled.most, places)} from one level to the next", "0"
    included = effect.withheld is not None and filled.low <= effect.none < filled.least
    return f"{_DEPENDING} {ends}{f'; the {level(alpha)} interval of the former includes {none}' if included else ''}."


def effect_withheld_sentence(effect: EffectResult, alpha: float) -> str:
    """Say that missing true answers leave a question about scores or a trend undecided; empty if they do not."""
    if effect.withheld is None or effect.filled is None:
        return ""
    return f"Undecided: {MISSING}. {effect_filled_sentence(effect, effect.filled, alpha)}"


def change_filled_sentence(change: Change, filled: FilledTruth, alpha: float) -> str:
    """Say what the missing true answers may change of a comparison: the ends of the change of the gap, or how large one may be."""
    if change.withheld == "equivalent":
        reach = points(filled.reach, decimals(0.0, filled.reach))
        return f"{_DEPENDING} the difference of two groups may have changed by up to {reach} ({level(alpha)} limit)."
    least, most = (points(abs(one), decimals(filled.least, filled.most)) for one in (filled.least, filled.most))
    included = change.withheld is not None and filled.low <= 0 < filled.least
    also = f"; the {level(alpha)} interval of the former includes 0" if included else ""
    if any(pair.reversed for pair in change.pairs):
        groups = f"{phrases.group(filled.higher)} and {phrases.group(filled.lower)}"
        if filled.least <= 0:
            return f"{_DEPENDING} {groups} may not have changed places."
        return f"{_DEPENDING} the smaller of the differences of {groups}, before and after, is anything from {least} to {most}{also}."
    grew = change.gap is not None and change.gap.difference >= 0
    start, did = f"{least} in the other direction" if filled.least < 0 else least, "grew" if grew else "shrank"
    return f"{_DEPENDING} the gap {did} by anything from {start} to {most}{also}."


def change_missing_sentence(change: Change, alpha: float) -> str:
    """Say where true answers are missing depending on the answers of two models, and what that may change; empty if they are not."""
    one = change.missing_truth
    return "" if one is None or one.filled is None else f"{lacking_sentence(one)} {change_filled_sentence(change, one.filled, alpha)}"
