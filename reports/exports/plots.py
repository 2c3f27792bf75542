"""Plots of findings with matplotlib, for a notebook or a paper. Every number comes from the results.

Every function draws on `ax`, or on a new figure, and returns the Axes, whose labels and limits can be changed afterwards. Rates are
in percent, differences in percentage points. Groups that are not compared are grey, hollow or hatched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from audit.errors import UsageError
from audit.evidence.prompt_sensitivity import SpecificationCurve
from audit.records.finding import Contrast, Rate
from audit.results import AuditResult, Finding
from audit.statistics.severity import worst_first
from reports.charts.forest import short
from reports.charts.grids import in_order
from reports.exports.axes import BAND, FAINT, INK, LINE, POINTS, axes_of, despine, legend, literal
from reports.text import phrases, sentences
from reports.text.numbers import count, exact_points, level, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _FRAME = 0.32, 1.3
"""Height of a row, and of everything around the rows, in inches."""
_MOST_NAMES = 24
"""The most prompt templates whose names are readable below a curve."""
_LONGEST = 44
"""The most characters of such a name, and of a question next to its gap."""
_SHADES = ("#74a6d8", "#fdfcf9", "#e7954b")
"""Below, at and above the rate of all images, as in the report."""


def rates(finding: Finding, audit: AuditResult, alpha: float, ax: Axes | None = None) -> Axes:
    """Draw the rate of every group with its interval, the rate of all images as a line, and the gap expected by chance as a band.

    The band is centred on the rate of all images; its width is the gap expected by chance for the leading pair (95 % of shuffles).
    """
    cells = [cell for cell in finding.by_group if cell.value is not None]
    axes = axes_of(ax, _ROW * len(cells) + _FRAME)
    overall = finding.overall.value
    pair = None if finding.diffuse else phrases.leading_pair(finding)
    if pair and overall is not None:
        ends = 100 * (overall - pair.chance / 2), 100 * (overall + pair.chance / 2)
        axes.axvspan(*ends, color=BAND, linewidth=0, zorder=0, label="expected by chance (95 %)")
    for y, cell in enumerate(cells):
        compared = cell.status == "ok"
        colour = INK if compared else FAINT
        axes.plot([100 * (cell.low or 0.0), 100 * (cell.high or 0.0)], [y, y], color=colour)
        axes.plot([100 * (cell.value or 0.0)], [y], "o", color=colour, markerfacecolor=colour if compared else "white")
    if overall is not None:
        axes.axvline(100 * overall, color=LINE, linestyle="--", linewidth=1, label=f"all images: {percent(overall, 1)}")
    _rows(axes, [literal(f"{phrases.group(cell.group)} ({count(cell.n)})") for cell in cells], finding.attributes)
    axes.set_xlabel(literal(sentences.subject(finding, audit)) + f"\n%, with {level(alpha)} intervals")
    legend(axes)
    return axes


def forest(finding: Finding, audit: AuditResult, alpha: float, ax: Axes | None = None) -> Axes:
    """Draw the difference between every compared group and all others, with the tolerance as a band around zero.

    The intervals are simultaneous for all groups. A dot is filled if its interval lies beyond the tolerance.
    """
    contrasts = {contrast.first: contrast for contrast in finding.contrasts}
    groups = [cell.group for cell in finding.by_group]
    axes = axes_of(ax, _ROW * len(groups) + _FRAME)
    tolerance = 100 * finding.tolerance
    axes.axvspan(-tolerance, tolerance, color=BAND, linewidth=0, zorder=0, label=f"tolerance: ±{exact_points(finding.tolerance)}")
    axes.axvline(0, color=LINE, linestyle="--", linewidth=1)
    for y, levels in enumerate(groups):
        if levels in contrasts:
            _difference(axes, y, contrasts[levels])
        else:
            axes.text(0.02, y, "not compared", color=FAINT, fontsize=8, va="center", transform=axes.get_yaxis_transform())
    _rows(axes, [literal(f"{phrases.group(cell.group)} ({count(cell.n)})") for cell in finding.by_group], finding.attributes)
    axes.set_xlabel(literal(sentences.subject(finding, audit)) + f", group minus all others\n{POINTS}, with {level(alpha)} intervals")
    legend(axes)
    return axes


def _difference(axes: Axes, y: int, contrast: Contrast) -> None:
    axes.plot([100 * contrast.low_adjusted, 100 * contrast.high_adjusted], [y, y], color=INK)
    face = INK if contrast.beyond_tolerance else "white"
    axes.plot([100 * contrast.difference], [y], "o", color=INK, markerfacecolor=face)


def gaps(audit: AuditResult, alpha: float, ax: Axes | None = None, *, primary: bool = True) -> Axes:
    """Draw the gap of every question's leading pair with its interval, over a bar for the gap expected by chance (95 % of shuffles).

    With `primary`, only the planned questions.
    """
    shown = worst_first(finding for finding in audit.findings if finding.primary or not primary)
    axes = axes_of(ax, 1.4 * _ROW * len(shown) + _FRAME)
    for y, finding in enumerate(shown):
        pair = phrases.leading_pair(finding)
        if pair is None:
            axes.text(0.5, y, "not estimable", color=FAINT, fontsize=8, ha="center", va="center", transform=axes.get_yaxis_transform())
            continue
        if not finding.diffuse:
            axes.barh(y, 100 * pair.chance, height=0.7, color=BAND, zorder=0, label="expected by chance (95 %)")
        axes.plot([100 * max(pair.low, 0.0), 100 * pair.high], [y, y], color=INK)
        axes.plot(
            [100 * pair.difference], [y], "o", color=INK, markerfacecolor=INK if finding.verdict in ("disparity", "signal") else "white"
        )
    for tolerance in sorted({finding.tolerance for finding in shown}):
        axes.axvline(100 * tolerance, color=LINE, linestyle=":", linewidth=1, label=f"tolerance: {exact_points(tolerance)}")
    _rows(axes, [_asked(finding, audit) for finding in shown], ())
    axes.set_xlim(left=0)
    axes.set_xlabel(f"gap between two groups\n{POINTS}, with {level(alpha)} intervals")
    legend(axes)
    return axes


def _asked(finding: Finding, audit: AuditResult) -> str:
    by = literal(f"by {phrases.attributes(finding.attributes)}"[:_LONGEST])
    return f"{literal(sentences.subject(finding, audit)[:_LONGEST])}\n{by}: {finding.verdict}"


# ---- intersections -------------------------------------------------------------------------------------------------------------------


def heatmap(finding: Finding, audit: AuditResult, ax: Axes | None = None) -> Axes:
    """Draw a finding by two attributes: rate and n in each cell, coloured by the difference from all images.

    Cells too small to judge are hatched and do not affect the colour scale, unless there are no others. Raises `UsageError` for a finding
    by another number of attributes.
    """
    if len(finding.attributes) != 2:
        raise UsageError(
            f"a heat map needs a finding by two attributes, not by {phrases.attributes(finding.attributes)!r}",
            where=finding.id, fix="plot its rates(…), or request the intersection: --by gender,tone",
        )  # fmt: skip
    cells = {cell.group: cell for cell in finding.by_group}
    rows, columns = (list(dict.fromkeys(levels[side] for levels in cells)) for side in (0, 1))
    from matplotlib.colors import LinearSegmentedColormap

    axes = axes_of(ax, 0.55 * len(rows) + 1.4)
    shades = [[_distance(cells.get((row, column)), finding.overall) for column in columns] for row in rows]
    judged = [_distance(cell, finding.overall) for cell in cells.values() if cell.status == "ok"]
    known = judged or [shade for row in shades for shade in row if not math.isnan(shade)]
    reach = max(map(abs, known), default=0.0) or 1.0
    image = axes.imshow(shades, cmap=LinearSegmentedColormap.from_list("about all images", _SHADES), vmin=-reach, vmax=reach, aspect="auto")
    for position, cell in ((position, cells.get((row, column))) for position, row, column in _grid(rows, columns)):
        _cell(axes, position, cell)
    axes.set_xticks(range(len(columns)), [literal(short(name)) for name in columns])
    axes.set_yticks(range(len(rows)), [literal(short(name)) for name in rows])
    axes.set(
        xlabel=literal(phrases.attributes(finding.attributes[1:])),
        ylabel=literal(phrases.attributes(finding.attributes[:1])),
    )
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label(f"minus all images ({percent(finding.overall.value, 1)}),\n{POINTS}")
    hatched = "; hatched: too few to judge" if any(cell.status != "ok" and cell.value is not None for cell in cells.values()) else ""
    axes.set_title(literal(f"{sentences.subject(finding, audit)}, number of images{hatched}"), fontsize=10, loc="left")
    return axes


def _distance(cell: Rate | None, overall: Rate) -> float:
    """Return percentage points above the rate of all images; NaN without a rate."""
    if cell is None or cell.value is None or overall.value is None:
        return math.nan
    return 100 * (cell.value - overall.value)


def _grid(rows: Sequence[str], columns: Sequence[str]) -> Iterable[tuple[tuple[int, int], str, str]]:
    return (((x, y), row, column) for y, row in enumerate(rows) for x, column in enumerate(columns))


def _cell(axes: Axes, position: tuple[int, int], cell: Rate | None) -> None:
    from matplotlib.patches import Rectangle

    x, y = position
    if cell is None or cell.value is None:
        axes.text(x, y, "no images" if cell is None else sentences.STATUSES[cell.status], ha="center", va="center", fontsize=7, color=FAINT)
        return
    if cell.status != "ok":
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", edgecolor=FAINT, linewidth=0, alpha=0.7))
    behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1.0}
    axes.text(x, y, f"{percent(cell.value)}\nn = {count(cell.n)}", ha="center", va="center", fontsize=8, bbox=behind)


# ---- how it was asked, and what would be ---------------------------------------------------------------------------------------------


def specification(curve: SpecificationCurve, alpha: float, ax: Axes | None = None) -> Axes:
    """Draw the difference between the same two groups under every prompt template, sorted by size; the default is a large dot."""
    points = [point for point in in_order(curve) if point.difference is not None]
    axes = axes_of(ax, 5.2 if len(points) <= _MOST_NAMES else 3.6)
    for x, point in enumerate(points):
        axes.plot([x, x], [100 * (point.low or 0.0), 100 * (point.high or 0.0)], color=INK, linewidth=1)
        axes.plot([x], [100 * (point.difference or 0.0)], "o", color=INK, markersize=9 if point.default else 4)
    axes.axhline(0, color=LINE, linestyle="--", linewidth=1)
    axes.set_ylabel(
        literal(f"{phrases.group(curve.first)} minus {phrases.group(curve.second)}") + f"\n{POINTS},\nwith {level(alpha)} intervals"
    )
    names = [literal(f"{point.preset}, {point.variant}"[:_LONGEST]) for point in points]
    if len(points) <= _MOST_NAMES:
        axes.set_xticks(range(len(points)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticks([])
    axes.set_xlabel(f"{len(points)} prompt templates, sorted; the large dot is the default")
    despine(axes)
    return axes


# ---- shared --------------------------------------------------------------------------------------------------------------------------


def _rows(axes: Axes, labels: Sequence[str], attributes: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_ylabel(literal(phrases.attributes(attributes)))
    despine(axes)
