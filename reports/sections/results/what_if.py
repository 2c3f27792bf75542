"""What-ifs: every setting that was tried, its gap and its cost. This section decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

from audit.records.what_if import Frontier, WhatIf, WhatIfs
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.sections.context import AuditContext
from reports.text import phrases
from reports.text import what_if as text
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, number, p_value, percent, points

Column = tuple[str, str, Callable[[WhatIf], str]]
"""Head, class of the style sheet, text of a setting."""


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return every question that was asked."""
    asked = context.audit.what_ifs
    if not asked:
        return None
    questions = tuple(_question(f"{context.key}-w{i}", each) for i, each in enumerate(asked, 1))
    return SimpleNamespace(questions=questions, units=text.units_sentence(asked), draws=count(asked[0].draws))


def _question(key: str, asked: WhatIfs) -> SimpleNamespace:
    tried = [point.what_if for point in asked.target.points] if asked.target else []
    columns = _columns(asked, tried)
    return SimpleNamespace(
        key=key,
        title=sentence(asked.question),
        summary=text.summary(asked, tried),
        caveats=text.what_if_caveats(asked, tried),
        chart=_chart(asked, tried) if any(each.default for each in tried) else None,
        columns=("Method and setting", *(name for name, _, _ in columns)),
        unmodified=_unmodified(columns, tried[0]) if tried else (),
        rows=tuple(_row(each, columns) for each in tried),
        groups=tuple(phrases.group(each.group) for each in tried[0].by_group) if tried else (),
        # Name, and what it is.
        methods=tuple(text.NAMES.get(method, (method, "")) for method in dict.fromkeys(each.method for each in tried)),
        refused=text.refused_sentences(asked.refused),
        cost=sentence(asked.cost),
        has_ndcg=any(each.ndcg for each in tried[:1]),
        legal=any("unlawful" in sentence(need) for each in tried for need in each.needs),
    )


def _chart(asked: WhatIfs, tried: Sequence[WhatIf]) -> TrackTable:
    """Return the setting of each method that was fixed before the run: the gap before and after, and what it costs."""
    shown = [each for each in tried if each.default]
    ticks = axis(0.0, max(*(each.gap.high for each in shown), *(each.gap_before.value for each in shown), 0.02))
    caption = f"What each method would change on these images, at the setting fixed before the run ({sentence(asked.cost)})"
    ends = ("0 points", f"{tick_texts(ticks)[-1]} points")
    return TrackTable(
        caption, "Method", ends, ("Gap after [interval]", "The gap is", "Accuracy, points"), tuple(_dumbbell(each, ticks) for each in shown)
    )


def _dumbbell(each: WhatIf, ticks: Sequence[float]) -> TrackRow:
    cells = (phrases.size(each.gap), text.ending_text(each), phrases.signed(each.utility.change))
    name = text.NAMES.get(each.method, (each.method, ""))[0]
    gap = replace(each.gap, low=max(each.gap.low, 0.0))
    return TrackRow(name, change_track(each.gap_before.value, gap, ticks, hot=each.outcome in ("larger", "reversed")), cells, each.setting)


def _columns(asked: WhatIfs, tried: Sequence[WhatIf]) -> list[Column]:
    """Return the columns; nDCG only where the order of what is found is changed."""
    ndcg: list[Column] = [("nDCG", "", lambda each: decimal(each.ndcg[1], 3) if each.ndcg else "")]
    pair = " minus ".join(map(phrases.group, tried[0].pair)) if tried else ""
    return [
        ("Gap [interval]", "", lambda each: phrases.size(each.gap)),
        ("Change [interval]", "", lambda each: phrases.signed(each.change)),
        ("Adjusted p", "", lambda each: p_value(each.change_p_adjusted)),
        ("The gap is", "text", text.ending_text),
        ("Expected by chance (95 %): up to", "", lambda each: points(each.null_95, 1)),
        ("Smaller than after random changes", "", _random),
        ("Accuracy", "", lambda each: percent(each.utility.after, 1)),
        ("Cost [interval]", "", lambda each: phrases.signed(each.utility.change)),
        *(ndcg if tried and tried[0].ndcg else []),
        ("Answered", "", lambda each: percent(each.utility.answered) if each.utility.answered < 1 else "all"),
        ("Lowest and highest group", "text", text.extreme_rates_text),
        (pair, "", lambda each: f"{number(each.pair_before, 1, signed=True)} → {phrases.signed(each.pair_after)}"),
        *((f"Gap by {_attributes(other.finding)}", "text", _by(other)) for other in asked.other_attributes),
        ("Needs when used", "needs", lambda each: "; ".join(map(sentence, each.needs))),
    ]  # fmt: skip


def _by(frontier: Frontier) -> Callable[[WhatIf], str]:
    return lambda each: text.other_attribute_text(frontier, each)


def _random(what_if: WhatIf) -> str:
    return "no such control" if what_if.beats_random is None else percent(what_if.beats_random)


def _unmodified(columns: Sequence[Column], first: WhatIf) -> tuple[str, ...]:
    known = {"Gap [interval]": phrases.size(first.gap_before), "Accuracy": percent(first.utility.before, 1)}
    known |= {"nDCG": decimal(first.ndcg[0], 3)} if first.ndcg else {}
    return tuple(known.get(name, "") for name, _, _ in columns)


def _row(each: WhatIf, columns: Sequence[Column]) -> SimpleNamespace:
    return SimpleNamespace(
        method=text.NAMES.get(each.method, (each.method, ""))[0],
        setting=each.setting,
        default=each.default,
        cells=tuple((kind, cell(each)) for _, kind, cell in columns),
        # Before and after, and the share of the answers that changed.
        by_group=tuple(f"{number(one.before, 1)} → {number(one.after, 1)} ({percent(one.moved)})" for one in each.by_group),
    )


def _attributes(finding: str) -> str:
    return phrases.attributes(finding.rsplit("/", 1)[-1].split(" x "))
