"""Where the marks of the frontier stand: gap against accuracy, a letter for each method, lines through the settings of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

from audit.records.what_if import Frontier
from reports.charts.forest import Mark, Scale, axis, bars, dots, percent_texts, polyline, posts, px, tick_texts
from reports.text.numbers import in_words, number

WIDTH, HEIGHT = 620, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 24, 46
_NEXT_TO, _ABOVE = 13.0, 24.0
"""Settings closer than this, in pixels, share one label: a letter is as wide as the first, and with its dot as high as the second."""


def plane(frontier: Frontier, marks: Mapping[str, str], by: str) -> SimpleNamespace:
    """Place every setting that was tried, gap to the right, accuracy upwards: better is up and left.

    `marks` is method -> its letter, `by` the attribute that the gap is by, for the title of the axis.
    """
    tried = frontier.points
    gaps, rights = [point.what_if.gap.value for point in tried], [point.what_if.utility.after for point in tried]
    x_ticks, y_ticks = axis(0.0, max(*gaps, frontier.gap, 0.02)), axis(min(*rights, frontier.accuracy), max(*rights, frontier.accuracy))
    x, y = Scale(x_ticks[0], x_ticks[-1], _LEFT, WIDTH - _RIGHT), Scale(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    home = (x(frontier.gap), y(frontier.accuracy))
    placed = [(point, (x(gap), y(right))) for point, gap, right in zip(tried, gaps, rights, strict=True)]
    trails = ([place for point, place in placed if point.what_if.method == method] for method in marks)
    return SimpleNamespace(
        width=WIDTH,
        height=HEIGHT,
        grid=posts((x(tick), _TOP, HEIGHT - _BOTTOM) for tick in x_ticks) + bars((_LEFT, WIDTH - _RIGHT, y(tick)) for tick in y_ticks),
        x_ticks=tuple(Mark(px(x(tick)), px(HEIGHT - _BOTTOM + 18), text) for tick, text in zip(x_ticks, tick_texts(x_ticks), strict=True)),
        y_ticks=tuple(Mark(px(_LEFT - 8), px(y(tick) + 4), text) for tick, text in zip(y_ticks, percent_texts(y_ticks), strict=True)),
        x_title=f"gap by {by} after the change, percentage points",
        middle=px((_LEFT + WIDTH - _RIGHT) / 2),
        trails="".join(polyline(places) for places in trails if len(places) > 1),
        frontier=_steps([place for point, place in placed if point.efficient] + [home] * frontier.unmodified_efficient),
        efficient=dots(place for point, place in placed if point.efficient and not point.what_if.default),
        others=dots(place for point, place in placed if not point.efficient and not point.what_if.default),
        defaults=dots(place for point, place in placed if point.what_if.default),
        unmodified=f"M{px(home[0])} {px(home[1] - 7)}l7 7l-7 7l-7 -7z",
        letters=_letters([(marks[point.what_if.method], place) for point, place in placed if point.what_if.default]),
        home=Mark(px(home[0]), px(home[1] + 24 if home[1] < HEIGHT - _BOTTOM - 30 else home[1] - 14), "unmodified"),
        description=_description(frontier),
    )


def _steps(places: Sequence[tuple[float, float]]) -> str:
    """Return the edge of what is attainable: no point lies above and to the left of it."""
    ordered = sorted(set(places))
    path = "".join(f"H{px(x)}V{px(y)}" if i else f"M{px(x)} {px(y)}" for i, (x, y) in enumerate(ordered))
    return path if len(ordered) > 1 else ""


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
