"""What a mitigation cost, what random maps do to the same gap, and what the other methods do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.page.strips import StripChart, strip_chart
from audit.extensions.mitigate.record import Mitigation, TriedMap
from audit.records.base import Estimate
from reports.charts.gaps import ChangeMark, estimate_mark
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.text.notes import sentence
from reports.text.numbers import count, difference, exact_points, in_words, number, p_phrase, p_value

_COLUMNS = ("Gap, points", "Change, points", "Adj. p", "Accuracy, points")


@dataclass(frozen=True)
class CostView:
    """The change of the accuracy with its interval, and the margin within which it would not matter."""

    mark: ChangeMark
    ticks: tuple[tuple[str, str], ...]
    label: str
    value: str
    caption: str


def cost_view(facts: Mitigation) -> CostView | None:
    """Return the cost; None if it is not known."""
    cost = facts.capability
    if cost is None:
        return None
    mark, ticks = estimate_mark(cost.change, cost.margin)
    return CostView(
        mark, ticks, f"Accuracy ({cost.measurement})", f"{number(cost.change.value, 1, signed=True)} points",
        f"Change of the accuracy on {in_words(cost.n, 'image')}, with its 90 % interval. Shaded: {exact_points(cost.margin)}, the margin "
        "of this run. The accuracy is equal within the margin if the whole interval lies in it; it did not fall by more than the "
        "margin if the interval lies to the right of its left edge.",
    )  # fmt: skip


@dataclass(frozen=True)
class ControlsView:
    """The gaps that random maps of the same kind leave."""

    chart: StripChart
    sentences: Sequence[str]
    caption: str


_MAPS = (
    "Gap in points that each map leaves on the same images. Line: the exported map; dashed: before. p: the share of maps, the exported "
    "one included, that leave a gap as small; above .05, it is not shown that the method did it. Random directions are as many as "
    "the exported map removes; a fit on shuffled groups is the same fit with the groups of the fitted half shuffled."
)
_TRAININGS = (
    "Gap in points that each training leaves on the same images. Line: the exported model; dashed: before. p: the share of trainings, the "
    "exported one included, that leave a gap as small; above .05, it is not shown that the captions did it. Uncorrected captions say what "
    "the model already answers: the same images, settings and number of steps, with another seed."
)


def controls_view(facts: Mitigation, *, training: bool) -> ControlsView | None:
    """Return the controls of a training, or of a map; None without any."""
    tried = next((tried for tried in facts.tried if tried.method == facts.plan.method), None)
    if tried is None or not facts.controls or training == (facts.plan.training is None):
        return None
    kinds = [(f"{count(len(control.gaps))} {text.CONTROLS[control.kind]}", p_phrase(control.p), control.gaps) for control in facts.controls]
    return ControlsView(
        strip_chart(kinds, tried.gap.before.value, tried.gap.after.value),
        text.controls(facts),
        _TRAININGS if training else _MAPS,
    )


@dataclass(frozen=True)
class MethodsView:
    """Every method that was tried, and why others were not."""

    table: TrackTable
    refused: Sequence[str]


def methods_view(facts: Mitigation) -> MethodsView | None:
    """Return all methods, the exported one first; None if none could be tried."""
    if not facts.tried and not facts.refused:
        return None
    ticks = signed_ticks([end for tried in facts.tried for end in (tried.gap.low, tried.gap.high)])
    caption = (
        "Change of the gap under every method, with its interval. The method that is exported was named for this run; the others are "
        "computed by mapping embeddings, and none was chosen by its result. p is adjusted (Holm) over all of them and the planned "
        "questions about the same rate; the verdict’s own p is adjusted over the planned questions alone."
    )
    rows = tuple(_row(tried, ticks, exported=tried.method == facts.plan.method) for tried in facts.tried)
    return MethodsView(
        TrackTable(caption, "Method", signed_ends(ticks), _COLUMNS, rows),
        [f"{text.method_name(refused.method)} was not tried: {sentence(refused.why)}" for refused in facts.refused],
    )


def _row(tried: TriedMap, ticks: Sequence[float], *, exported: bool) -> TrackRow:
    gap = tried.gap
    return TrackRow(
        name=text.method_name(tried.method),
        note="exported" if exported else "",
        track=difference_track(gap.difference, gap.low, gap.high, ticks, hot=exported),
        cells=(
            f"{number(gap.before.value, 1)} → {number(gap.after.value, 1)}",
            difference(gap.difference, gap.low, gap.high, 1),
            p_value(gap.p_adjusted),
            _accuracy(tried.accuracy),
        ),
    )


def _accuracy(change: Estimate | None) -> str:
    return "unknown" if change is None else difference(change.value, change.low, change.high, 1)
