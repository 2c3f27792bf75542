"""What-ifs in texts and marks: every setting that was tried, its gap beside its cost. Formats only; nothing here decides anything.

The words are bound: a gap "would change from a to b on these images". Nothing is fixed by what is only computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.evidence import Estimate
from audit.records.what_if import Ending, Frontier, Refused, WhatIf, WhatIfs
from reports.charts.scatter import Plane, plane
from reports.text.notes import sentence as text_of
from reports.text.numbers import count, decimal, decimals, difference, in_words, number, p_phrase, p_value, percent, points, span
from reports.text.phrases import attributes, group

NAMES: Mapping[str, tuple[str, str]] = {
    "neutral-label": ("Neutral label", "A label that accuses nobody is offered too. It can only take images from the other labels."),
    "combined-prompts": ("Combined prompts", "Each answer is asked together with other attributes; probabilities are summed."),
    "abstention": (
        "Abstention",
        "No answer where the two best answers lie close together. Silence is not being right, and may be unequal.",
    ),
    "projection": ("Projection", "The direction in which prompts of the groups differ is taken out."),
    "calibrated-projection": ("Calibrated projection", "The same, and prompts that should mean the same are drawn together."),
    "dropped-dimensions": ("Dropped dimensions", "The coordinates that tell most about the group are left out."),
    "group-thresholds": (
        "Group thresholds",
        "A threshold of its own for every group (fairlearn's ThresholdOptimizer, for answers of yes or no).",
    ),
    "re-ranking": ("Re-ranking", "The order of what is found is changed so that every group keeps its share at every place."),
}
ENDINGS: Mapping[Ending, str] = {
    "smaller": "smaller",
    "indistinguishable": "no longer told from chance, which is not zero",
    "unchanged": "no change shown",
    "larger": "larger",
    "reversed": "reversed: the other group is ahead",
    "levelled down": "levelled down: nobody is better off",
    "no better than random": "no better than a random change of its kind",
    "not judged": "not judged, for too few clusters",
}
FEW_CLUSTERS = 15
"""In fewer a group is not judged: the audit's own bound (`audit/statistics/units.py`)."""
CONTENT = "image content"
"""The unit of what-ifs whose images do not come in clusters."""


@dataclass(frozen=True)
class Row:
    """One setting in texts."""

    mark: str
    method: str
    setting: str
    default: bool
    efficient: bool
    gap: str
    change: str
    p: str
    ending: str
    floor: str
    random: str
    accuracy: str
    cost: str
    ndcg: str
    answered: str
    ends: str
    signed: str
    """Of the two groups that lay furthest apart on the fitted half."""
    elsewhere: tuple[str, ...]
    needs: str
    by_group: tuple[str, ...]
    """Before and after, and the share of the answers that changed."""


@dataclass(frozen=True)
class WhatIfQuestion:
    """One question with everything that was tried."""

    key: str
    title: str
    by: str
    summary: str
    careful: tuple[str, ...]
    defaults: tuple[str, ...]
    rows: tuple[Row, ...]
    unmodified: tuple[str, str, str]
    """Gap, accuracy and, where the order of what is found is changed, its nDCG."""
    groups: tuple[str, ...]
    pair: str
    elsewhere: tuple[str, ...]
    """The other attributes."""
    methods: tuple[tuple[str, str, str], ...]
    """Mark, name, what it is."""
    figure: Plane | None
    refused: tuple[str, ...]
    cost: str
    legal: bool


def questions(key: str, what_ifs: Sequence[WhatIfs]) -> tuple[WhatIfQuestion, ...]:
    """Return every question of an audit."""
    return tuple(_question(f"{key}-w{i}", each) for i, each in enumerate(what_ifs, 1))


def _question(key: str, asked: WhatIfs) -> WhatIfQuestion:
    tried = [point.what_if for point in asked.target.points] if asked.target else []
    marks = {method: chr(ord("A") + place) for place, method in enumerate(dict.fromkeys(each.method for each in tried))}
    by = _attributes(asked.target.finding) if asked.target else ""
    return WhatIfQuestion(
        key=key,
        title=text_of(asked.question),
        by=by,
        summary=_summary(asked, tried),
        careful=_careful(asked, tried),
        defaults=tuple(sentence(each) for each in tried if each.default),
        rows=tuple(_row(place, marks, asked) for place in range(len(tried))),
        unmodified=_unmodified(tried[0]) if tried else ("", "", ""),
        groups=tuple(group(each.group) for each in tried[0].by_group) if tried else (),
        pair=" minus ".join(map(group, tried[0].pair)) if tried else "",
        elsewhere=tuple(_attributes(each.finding) for each in asked.other_attributes),
        methods=tuple((marks[method], *NAMES.get(method, (method, ""))) for method in marks),
        figure=plane(asked.target, marks, by) if asked.target else None,
        refused=_refused(asked.refused),
        cost=text_of(asked.cost),
        legal=any("unlawful" in text_of(need) for each in tried for need in each.needs),
    )


def _unmodified(first: WhatIf) -> tuple[str, str, str]:
    gap, accuracy = _estimate(first.gap_before), percent(first.utility.before, 1)
    return gap, accuracy, decimal(first.ndcg[0], 3) if first.ndcg else ""


def _summary(asked: WhatIfs, tried: Sequence[WhatIf]) -> str:
    if not tried or asked.target is None:
        return "Nothing could be tried; the reasons stand below."
    first = tried[0]
    methods = len({each.method for each in tried})
    return (
        f"On {in_words(asked.target.shown_on, 'image')} of the shown half the unmodified model has a gap of "
        f"{_estimate(first.gap_before)} and an accuracy of {percent(first.utility.before, 1)} ({text_of(asked.cost)}). "
        f"{in_words(len(tried), 'setting')} of {in_words(methods, 'method')} {'was' if len(tried) == 1 else 'were'} tried, "
        f"and all of them are shown; each p is adjusted for that number (Holm)."
    )


def _careful(asked: WhatIfs, tried: Sequence[WhatIf]) -> tuple[str, ...]:
    """Say what is counted as a case, and what weakens the answer: few cases, groups that cannot be compared."""
    if not tried:
        return ()
    first, of = tried[0], attributes([asked.unit])
    clustered = asked.unit != CONTENT
    held = f"the shown half holds {count(asked.units)} of them"
    sentences = [f"All images of one {of} stay in one half and count as one case; {held}."] if clustered else []
    if first.outcome == "not judged":
        fewest = min((each.clusters for each in first.by_group if each.clusters is not None), default=0)
        sentences.append(
            f"As in the audit, a group in fewer than {FEW_CLUSTERS} clusters is not judged (a cluster: all images of one {of}). "
            f"Here fewer than two groups lie in as many, and one lies in only {fewest}. "
            "So nothing is concluded: the numbers are shown, and what became of the gap is not judged."
        )
    if first.not_compared:
        want = "images or clusters" if clustered else "images"
        sentences.append(f"Not compared, for want of {want} in this half: {', '.join(map(group, first.not_compared))}.")
    return tuple(sentences)


def cases(what_ifs: Sequence[WhatIfs]) -> str:
    """Say what intervals, noise floor and p of all questions together take as one case."""
    units = [unit for unit in dict.fromkeys(each.unit for each in what_ifs) if unit != CONTENT]
    if not units:
        return "Every image counts as one case."
    named = " or ".join(attributes([unit]) for unit in units)
    other = " Where a question names none, every image does." if any(each.unit == CONTENT for each in what_ifs) else ""
    return f"All images of one {named} count as one case: for the intervals, for what chance gives, for every p and for the cost.{other}"


def sentence(what_if: WhatIf) -> str:
    """Return what a setting would do, in the bound words."""
    name = NAMES.get(what_if.method, (what_if.method, ""))[0]
    utility = what_if.utility
    found = f"; nDCG from {decimal(what_if.ndcg[0], 3)} to {decimal(what_if.ndcg[1], 3)}" if what_if.ndcg else ""
    return (
        f"{name} ({what_if.setting}): the gap would change from {_estimate(what_if.gap_before)} to {_estimate(what_if.gap)} "
        f"on these images, {ENDINGS[what_if.outcome]}; accuracy from {percent(utility.before, 1)} to {percent(utility.after, 1)} "
        f"({_signed(utility.change)} points){found}."
    )


def _row(place: int, marks: Mapping[str, str], asked: WhatIfs) -> Row:
    assert asked.target is not None  # noqa: S101  # for the type checker: rows are made of its points
    point = asked.target.points[place]
    each = point.what_if
    utility = each.utility
    return Row(
        mark=marks[each.method],
        method=NAMES.get(each.method, (each.method, ""))[0],
        setting=each.setting,
        default=each.default,
        efficient=point.efficient,
        gap=_estimate(each.gap),
        change=_signed(each.change),
        p=p_value(each.change_p_adjusted),
        ending=_ended(each),
        floor=points(each.null_95, 1),
        random="no such control" if each.beats_random is None else percent(each.beats_random),
        accuracy=percent(utility.after, 1),
        cost=_signed(utility.change),
        ndcg=decimal(each.ndcg[1], 3) if each.ndcg else "",
        answered=percent(utility.answered) if utility.answered < 1 else "all",
        ends=_ends(each),
        signed=f"{number(each.pair_before, 1, signed=True)} → {_signed(each.pair_after)}",
        elsewhere=tuple(_elsewhere(other, each) for other in asked.other_attributes),
        needs="; ".join(map(text_of, each.needs)),
        by_group=tuple(f"{number(one.before, 1)} → {number(one.after, 1)} ({percent(one.moved)})" for one in each.by_group),
    )


def _ended(what_if: WhatIf) -> str:
    """Return what became of the gap; a reversal has a p of its own, since the gap may be as large as before."""
    own = f" ({p_phrase(what_if.reversal_p_adjusted, 'adjusted p')})" if what_if.outcome == "reversed" else ""
    return ENDINGS[what_if.outcome] + own


def _elsewhere(frontier: Frontier, setting: WhatIf) -> str:
    """Return the gap of the same setting by another attribute."""
    for point in frontier.points:
        each = point.what_if
        if (each.method, each.setting) == (setting.method, setting.setting):
            told = "" if each.outcome == "unchanged" else f": {ENDINGS[each.outcome]}"
            return f"{number(each.gap_before.value, 1)} → {number(each.gap.value, 1)}{told}"
    return "not estimable"


def _ends(what_if: WhatIf) -> str:
    """Return the lowest and the highest rate after: a gap closes from either side."""
    ordered = sorted(what_if.by_group, key=lambda each: each.after)
    low, high = ordered[0], ordered[-1]
    return f"{group(low.group)} {percent(low.after, 1)}, {group(high.group)} {percent(high.after, 1)}"


def _refused(refused: Sequence[Refused]) -> tuple[str, ...]:
    """Return one sentence for each method and reason, with how many of its settings it stopped."""
    settings: dict[tuple[str, str], list[str]] = {}
    for each in refused:
        settings.setdefault((each.method, text_of(each.reason)), []).append(each.setting)
    sentences = []
    for (method, reason), stopped in settings.items():
        name = NAMES.get(method, (method, ""))[0] if method else f"Judged by {', '.join(stopped)}"
        which = f" ({in_words(len(stopped), 'setting')})" if method and any(stopped) else ""
        sentences.append(f"{name}{which}: {reason}.")
    return tuple(sentences)


def _signed(change: Estimate) -> str:
    return difference(change.value, change.low, change.high)


def _estimate(estimate: Estimate) -> str:
    places = decimals(estimate.low, estimate.high)
    return f"{points(estimate.value, places)} {span(max(estimate.low, 0.0), estimate.high, places)}"


def _attributes(finding: str) -> str:
    return attributes(finding.rsplit("/", 1)[-1].split(" x "))
