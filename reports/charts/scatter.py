"""Where the marks of the frontier stand: gap against accuracy, a letter for each method, lines through the settings of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.records.what_if import Frontier, FrontierPoint
from reports.charts.forest import Mark, Scale, axis, px, tick_texts
from reports.text.numbers import in_words, number

WIDTH, HEIGHT = 620, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 24, 46
_NEXT_TO, _ABOVE = 13.0, 24.0
"""Settings closer than this, in pixels, share one label: a letter is as wide as the first, and with its dot as high as the second."""


@dataclass(frozen=True)
class Plane:
    """Gap to the right, accuracy upwards: better is up and left."""

    width: int
    height: int
    left: str
    right: str
    top: str
    bottom: str
    grid: str
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    x_title: str
    middle: str
    trails: str
    frontier: str
    efficient: str
    others: str
    defaults: str
    unmodified: str
    letters: tuple[Mark, ...]
    home: Mark
    """The label of the unmodified model."""
    description: str


def plane(frontier: Frontier, marks: Mapping[str, str], by: str) -> Plane:
    """Place every setting that was tried.

    Parameters
    ----------
    frontier : Frontier
    marks : mapping of str to str
        Method -> its letter.
    by : str
        The attribute that the gap is by, for the title of the axis.
    """
    tried = frontier.points
    gaps, rights = ([each(point) for point in tried] for each in (_gap, _accuracy))
    x_ticks, y_ticks = axis(0.0, max(*gaps, frontier.gap, 0.02)), axis(min(*rights, frontier.accuracy), max(*rights, frontier.accuracy))
    x, y = Scale(x_ticks[0], x_ticks[-1], _LEFT, WIDTH - _RIGHT), Scale(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    home = (x(frontier.gap), y(frontier.accuracy))
    placed = [(point, (x(_gap(point)), y(_accuracy(point)))) for point in tried]
    return Plane(
        width=WIDTH,
        height=HEIGHT,
        left=px(_LEFT),
        right=px(WIDTH - _RIGHT),
        top=px(_TOP),
        bottom=px(HEIGHT - _BOTTOM),
        grid="".join(
            [
                *(f"M{px(x(tick))} {_TOP}V{HEIGHT - _BOTTOM}" for tick in x_ticks),
                *(f"M{_LEFT} {px(y(tick))}H{WIDTH - _RIGHT}" for tick in y_ticks),
            ]
        ),
        x_ticks=tuple(Mark(px(x(tick)), px(HEIGHT - _BOTTOM + 18), text) for tick, text in zip(x_ticks, tick_texts(x_ticks), strict=True)),
        y_ticks=tuple(
            Mark(px(_LEFT - 8), px(y(tick) + 4), f"{text}\u00a0%") for tick, text in zip(y_ticks, tick_texts(y_ticks), strict=True)
        ),
        x_title=f"gap by {by} after the change, percentage points",
        middle=px((_LEFT + WIDTH - _RIGHT) / 2),
        trails="".join(_trail([place for point, place in placed if point.what_if.method == method]) for method in marks),
        frontier=_steps([place for point, place in placed if point.efficient] + [home] * frontier.unmodified_efficient),
        efficient=_dots(place for point, place in placed if point.efficient and not point.what_if.default),
        others=_dots(place for point, place in placed if not point.efficient and not point.what_if.default),
        defaults=_dots(place for point, place in placed if point.what_if.default),
        unmodified=f"M{px(home[0])} {px(home[1] - 7)}l7 7l-7 7l-7 -7z",
        letters=_letters([(marks[point.what_if.method], place) for point, place in placed if point.what_if.default]),
        home=Mark(px(home[0]), px(home[1] + 24 if home[1] < HEIGHT - _BOTTOM - 30 else home[1] - 14), "unmodified"),
        description=_description(frontier),
    )


def _gap(point: FrontierPoint) -> float:
    return point.what_if.gap.value


def _accuracy(point: FrontierPoint) -> float:
    return point.what_if.utility.after


def _trail(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{px(x)} {px(y)}" for x, y in places) if len(places) > 1 else ""


def _steps(places: Sequence[tuple[float, float]]) -> str:
    """Return the edge of what is attainable: no point lies above and to the left of it."""
    ordered = sorted(set(places))
    path = "".join(f"H{px(x)}V{px(y)}" if i else f"M{px(x)} {px(y)}" for i, (x, y) in enumerate(ordered))
    return path if len(ordered) > 1 else ""


def _dots(places: Iterable[tuple[float, float]]) -> str:
    return "".join(f"M{px(x)} {px(y)}h0" for x, y in places)


def _letters(marks: Sequence[tuple[str, tuple[float, float]]]) -> tuple[Mark, ...]:
    """Return a label above each default; what lies together is labelled together, above the topmost, so that no dot hides a letter."""
    together: list[tuple[list[str], list[tuple[float, float]]]] = []
    for letter, (x, y) in sorted(marks, key=lambda mark: mark[1][1]):
        near = next((each for each in together if any(abs(a - x) < _NEXT_TO and abs(b - y) < _ABOVE for a, b in each[1])), None)
        if near is None:
            together.append(([letter], [(x, y)]))
        else:
            near[0].append(letter)
            near[1].append((x, y))
    return tuple(Mark(px(places[0][0]), px(places[0][1] - 11), " ".join(sorted(names))) for names, places in together)


def _description(frontier: Frontier) -> str:
    efficient = [point.what_if for point in frontier.points if point.efficient]
    best = min(efficient, key=lambda each: each.gap.value, default=None)
    ends = (
        f" The smallest gap among the best trades is {number(best.gap.value, 1)} points at {number(best.utility.after, 1)} % right."
        if best
        else ""
    )
    return (
        f"{in_words(len(frontier.points), 'setting')} and the unmodified model, which has a gap of {number(frontier.gap, 1)} points "
        f"at {number(frontier.accuracy, 1)} % right.{ends} The table below has every number."
    )
