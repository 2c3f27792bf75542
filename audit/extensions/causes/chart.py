"""Geometry of a dose-response chart: each model as a dot, the curve with its prediction band, and the doses at which the verdict turns."""

from __future__ import annotations

from dataclasses import dataclass

from audit.extensions.causes.record import Causes
from reports.charts.forest import Mark, Scale, axis, bars, dots, percent_texts, polyline, posts, px, tick_texts

WIDTH, HEIGHT = 520, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 30, 46
_INSIDE = 0.04
"""Distance of the first and last dose from the edges, as a share of the width: dots are not cut."""
_SIDE = 0.012
"""Distance between the dots of two seeds at one dose, so that equal values do not hide each other."""


@dataclass(frozen=True)
class DoseChart:
    """The paths of the chart."""

    width: int
    height: int
    grid: str
    zero: str
    ticks: tuple[Mark, ...]
    doses: tuple[Mark, ...]
    axis_name: Mark
    band: str
    line: str
    fitted: str
    """Models to which the curve was fitted, as dots."""
    held_back: str
    """Held-back models, as rings."""
    held_line: str
    """Vertical lines at held-back doses."""
    turn: tuple[str, str] | None
    """x and width of the doses between which the audit's verdict turns."""
    turn_y: str
    turn_height: str
    turn_label: Mark | None


def dose_chart(facts: Causes) -> DoseChart:
    """Draw outcomes over doses."""
    least, most = min(facts.plan.doses), max(facts.plan.doses)
    room = (most - least) * _INSIDE
    across = Scale(least - room, most + room, _LEFT, WIDTH - _RIGHT)
    models = [model for model in facts.models if model.arm is None]
    edges = [end for point in facts.band if point.predicted for end in (point.predicted.low, point.predicted.high)]
    values = [*(model.outcome.value for model in models), *edges, *(point.fitted for point in facts.band), 0.0]
    low, high = min(values), max(values)
    ticks = axis(max(low, -1.0), min(high, 1.0))
    up = Scale(ticks[0], ticks[-1], HEIGHT - _BOTTOM, _TOP)
    texts = tick_texts(ticks, signed=True) if facts.plan.outcome.minus else percent_texts(ticks)
    places = {model.name: (across(model.dose + _aside(model.seed, facts) * (most - least)), up(model.outcome.value)) for model in models}
    held = [model for model in models if model.part == "held back"]
    return DoseChart(
        width=WIDTH, height=HEIGHT, grid=bars((_LEFT, WIDTH - _RIGHT, up(tick)) for tick in ticks),
        zero=bars([(_LEFT, WIDTH - _RIGHT, up(0.0))]) if ticks[0] < 0 < ticks[-1] else "",
        ticks=tuple(Mark(px(_LEFT - 7), px(up(tick) + 4), text) for tick, text in zip(ticks, texts, strict=True)),
        doses=tuple(Mark(px(across(point.dose)), px(HEIGHT - _BOTTOM + 18), f"{point.dose:g}") for point in facts.points),
        axis_name=Mark(px((_LEFT + WIDTH - _RIGHT) / 2), px(HEIGHT - 8), "dose"),
        band=_band(facts, across, up), line=polyline([(across(point.dose), up(point.fitted)) for point in facts.band]),
        fitted=dots(places[model.name] for model in models if model.part == "fit"), held_back=dots(places[model.name] for model in held),
        held_line=posts((across(dose), _TOP, HEIGHT - _BOTTOM) for dose in sorted({model.dose for model in held})),
        turn=_turn(facts, across), turn_y=px(_TOP), turn_height=px(HEIGHT - _BOTTOM - _TOP), turn_label=_turn_label(facts, across),
    )  # fmt: skip


def _aside(seed: int, facts: Causes) -> float:
    seeds = sorted({model.seed for model in facts.models})
    return _SIDE * (seeds.index(seed) - (len(seeds) - 1) / 2) if len(seeds) < 9 else 0.0


def _band(facts: Causes, across: Scale, up: Scale) -> str:
    known = [(point.dose, point.predicted) for point in facts.band if point.predicted]
    rim = [(across(dose), up(end.high)) for dose, end in known] + [(across(dose), up(end.low)) for dose, end in reversed(known)]
    return f"{polyline(rim)}Z" if rim else ""


def _turn(facts: Causes, across: Scale) -> tuple[str, str] | None:
    turn = facts.turns[0]
    if turn.low is None or turn.high is None:
        return None
    return px(across(turn.low)), px(across(turn.high) - across(turn.low))


def _turn_label(facts: Causes, across: Scale) -> Mark | None:
    turn = facts.turns[0]
    if turn.low is None or turn.high is None:
        return None
    middle = (across(turn.low) + across(turn.high)) / 2
    return Mark(px(min(max(middle, _LEFT + 80), WIDTH - _RIGHT - 80)), px(_TOP - 9), "the audit’s verdict turns here")
