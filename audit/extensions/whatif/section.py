"""What-ifs: every setting that was tried, its gap and its cost. This section does not affect verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from audit.extensions.whatif import sentences as text
from audit.extensions.whatif.record import Frontier, WhatIf, WhatIfs
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.context import AuditContext
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, decimal, number, p_value, percent, points

Column = tuple[str, str, Callable[[WhatIf], str]]
"""Heading, CSS class, and function that returns the text for a setting."""


@dataclass(frozen=True)
class TriedSetting:
    """One setting of one method."""

    method: str
    setting: str
    default: bool
    cells: tuple[tuple[str, str], ...]
    """CSS class and text."""
    by_group: tuple[str, ...]
    """Rates before and after, and the share of answers that changed."""


@dataclass(frozen=True)
class WhatIfQuestion:
    """A question with every setting that was tried."""

    key: str
    title: str
    summary: str
    caveats: Sequence[str]
    chart: TrackTable | None
    columns: tuple[str, ...]
    unmodified: tuple[str, ...]
    rows: tuple[TriedSetting, ...]
    groups: tuple[str, ...]
    methods: tuple[tuple[str, str], ...]
    """Name and description."""
    refused: Sequence[str]
    has_ndcg: bool
    legal: bool
    """Whether a method may be unlawful."""


@dataclass(frozen=True)
class WhatIfsView:
    """All what-ifs of an audit."""

    questions: tuple[WhatIfQuestion, ...]
    units: str
    draws: str


def view(context: AuditContext) -> WhatIfsView | None:
    """Return every what-if question, or None."""
    what_ifs = context.audit.analyses["what_ifs"]
    if not what_ifs:
        return None
    within = {finding.id for finding in context.audit.findings if finding.gap and finding.gap.within}
    questions = tuple(_question(f"{context.key}-w{i}", question, within) for i, question in enumerate(what_ifs, 1))
    return WhatIfsView(questions, text.units_sentence(what_ifs), count(what_ifs[0].draws))


def _question(key: str, question: WhatIfs, within: Set[str]) -> WhatIfQuestion:
    tried = [point.what_if for point in question.target.points] if question.target else []
    columns = _columns(question, tried)
    return WhatIfQuestion(
        key=key,
        title=sentence(question.question),
        summary=text.summary(question, tried),
        caveats=text.what_if_caveats(question, tried, within_clusters=question.target is not None and question.target.finding in within),
        chart=_chart(question, tried) if any(what_if.default for what_if in tried) else None,
        columns=("Method and setting", *(name for name, _, _ in columns)),
        unmodified=_unmodified(columns, tried[0]) if tried else (),
        rows=tuple(_row(what_if, columns) for what_if in tried),
        groups=tuple(phrases.group(cell.group) for cell in tried[0].by_group) if tried else (),
        methods=tuple(text.described(method) for method in dict.fromkeys(what_if.method for what_if in tried)),
        refused=text.refused_sentences(question.refused),
        has_ndcg=any(what_if.ndcg for what_if in tried[:1]),
        legal=any("unlawful" in sentence(need) for what_if in tried for need in what_if.needs),
    )


def _chart(question: WhatIfs, tried: Sequence[WhatIf]) -> TrackTable:
    """Return the chart of each method at the setting that the probe fixes: the gap before and after, and the cost."""
    shown = [what_if for what_if in tried if what_if.default]
    ticks = axis(0.0, max(*(what_if.gap.high for what_if in shown), *(what_if.gap_before.value for what_if in shown), 0.02))
    caption = f"What each method would change on these images, at the setting that the probe fixes ({sentence(question.cost)})"
    ends = ("0 points", f"{tick_texts(ticks)[-1]} points")
    return TrackTable(
        caption,
        "Method",
        ends,
        ("Gap after [interval]", "The gap is", "Accuracy, points"),
        tuple(_dumbbell(what_if, ticks) for what_if in shown),
    )


def _dumbbell(what_if: WhatIf, ticks: Sequence[float]) -> TrackRow:
    cells = (phrases.size(what_if.gap), text.ending_text(what_if), phrases.signed(what_if.utility.change))
    name = text.name_of(what_if.method)
    gap = replace(what_if.gap, low=max(what_if.gap.low, 0.0))
    return TrackRow(
        name, change_track(what_if.gap_before.value, gap, ticks, hot=what_if.outcome in ("larger", "reversed")), cells, what_if.setting
    )


def _columns(question: WhatIfs, tried: Sequence[WhatIf]) -> list[Column]:
    """Return the columns; nDCG only if methods change the order of the results."""
    ndcg: list[Column] = [("nDCG", "", lambda what_if: decimal(what_if.ndcg[1], 3) if what_if.ndcg else "")]
    pair = " minus ".join(map(phrases.group, tried[0].pair)) if tried else ""
    return [
        ("Gap [interval]", "", lambda what_if: phrases.size(what_if.gap)),
        ("Change [interval]", "", lambda what_if: phrases.signed(what_if.change)),
        ("Adjusted p", "", lambda what_if: p_value(what_if.change_p_adjusted)),
        ("The gap is", "text", text.ending_text),
        ("Expected by chance (95 %): up to", "", lambda what_if: points(what_if.null_95, 1)),
        ("Smaller than after random changes", "", _random),
        ("Accuracy", "", lambda what_if: percent(what_if.utility.after, 1)),
        ("Cost [interval]", "", lambda what_if: phrases.signed(what_if.utility.change)),
        *(ndcg if tried and tried[0].ndcg else []),
        ("Answered", "", lambda what_if: percent(what_if.utility.answered) if what_if.utility.answered < 1 else "all"),
        ("Lowest and highest group", "text", text.extreme_rates_text),
        (pair, "", lambda what_if: f"{number(what_if.pair_before, 1, signed=True)} → {phrases.signed(what_if.pair_after)}"),
        *((f"Gap by {_attributes(other.finding)}", "text", _by(other)) for other in question.other_attributes),
        ("Needs when used", "needs", lambda what_if: "; ".join(map(sentence, what_if.needs))),
    ]  # fmt: skip


def _by(frontier: Frontier) -> Callable[[WhatIf], str]:
    return lambda what_if: text.other_attribute_text(frontier, what_if)


def _random(what_if: WhatIf) -> str:
    return "no such control" if what_if.beats_random is None else percent(what_if.beats_random)


def _unmodified(columns: Sequence[Column], first: WhatIf) -> tuple[str, ...]:
    known = {"Gap [interval]": phrases.size(first.gap_before), "Accuracy": percent(first.utility.before, 1)}
    known |= {"nDCG": decimal(first.ndcg[0], 3)} if first.ndcg else {}
    return tuple(known.get(name, "") for name, _, _ in columns)


def _row(what_if: WhatIf, columns: Sequence[Column]) -> TriedSetting:
    return TriedSetting(
        method=text.name_of(what_if.method),
        setting=what_if.setting,
        default=what_if.default,
        cells=tuple((kind, cell(what_if)) for _, kind, cell in columns),
        by_group=tuple(f"{number(cell.before, 1)} → {number(cell.after, 1)} ({percent(cell.moved)})" for cell in what_if.by_group),
    )


def _attributes(finding: str) -> str:
    return phrases.attributes(finding.rsplit("/", 1)[-1].split(" x "))
