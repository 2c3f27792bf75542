"""Figures for a paper or slides: ``python -m reports.pictures DIR`` draws the findings of an audit as SVG or PNG files with matplotlib."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import AuditError
from audit.outputs import replacing
from audit.results import AuditResult, Finding, Results, SpecificationCurve
from reports import phrases, words
from reports.grids import in_order
from reports.numbers import clean, count
from reports.render import read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
_INK, _FAINT, _LINE = "#1f4e89", "#8a9099", "#777777"
_LONGEST_TITLE = 90


def pictures(results: Results, form: str = "svg") -> Iterator[tuple[str, bytes]]:
    """Yield file name and content of each figure: the rates of every finding that counts, and every specification curve.

    Parameters
    ----------
    results : Results
    form : {"svg", "png"}
        Equal results give equal bytes on the same version of matplotlib.
    """
    for i, audit in enumerate(results.audits, 1):
        for j, finding in enumerate((each for each in audit.findings if each.primary), 1):
            if any(cell.value is not None for cell in finding.by_group):
                yield f"{i}-{j:02d}-{_slug(finding.id)}.{form}", _saved(_rates(finding, audit), form)
        for j, curve in enumerate(audit.specifications, 1):
            if any(point.difference is not None for point in curve.points):
                yield f"{i}-wording-{j:02d}-{_slug(curve.question)}.{form}", _saved(_curve(curve), form)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "finding"


def _rates(finding: Finding, audit: AuditResult) -> Figure:
    """Draw a dot with its interval for each group, hollow where it is outside the comparison, and the rate of all images as a line."""
    cells = [cell for cell in finding.by_group if cell.value is not None]

    def draw(axes: Axes) -> None:
        for y, cell in enumerate(cells):
            compared = cell.status == "ok"
            colour = _INK if compared else _FAINT
            axes.plot([100 * (cell.low or 0.0), 100 * (cell.high or 0.0)], [y, y], color=colour)
            axes.plot([100 * (cell.value or 0.0)], [y], "o", color=colour, markerfacecolor=colour if compared else "white")
        if finding.overall.value is not None:
            axes.axvline(100 * finding.overall.value, color=_LINE, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(cells)), [_plain(f"{phrases.group(cell.group)} ({count(cell.n)})") for cell in cells])
        axes.set_xlabel("%")
        axes.invert_yaxis()

    return _figure(draw, words.title(finding, audit), 0.32 * len(cells) + 1.2)


def _curve(curve: SpecificationCurve) -> Figure:
    """Draw the difference of the same two groups under every wording, sorted; the default is larger."""
    points = [point for point in in_order(curve) if point.difference is not None]

    def draw(axes: Axes) -> None:
        for x, point in enumerate(points):
            axes.plot([x, x], [100 * (point.low or 0.0), 100 * (point.high or 0.0)], color=_INK, linewidth=1)
            axes.plot([x], [100 * (point.difference or 0.0)], "o", color=_INK, markersize=9 if point.default else 4)
        axes.axhline(0, color=_LINE, linestyle="--", linewidth=1)
        axes.set_ylabel(_plain(f"{phrases.group(curve.first)} minus {phrases.group(curve.second)}, points"))
        axes.set_xticks([])
        axes.set_xlabel(f"{len(points)} wordings, sorted; the large dot was chosen before the run")

    return _figure(draw, curve.question, 3.6)


def _figure(draw: Callable[[Axes], None], title: str, height: float) -> Figure:
    # A Figure of its own, not pyplot's: nothing is kept between calls, and no display is asked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, max(height, 1.6)), layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.set_title(_plain(title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plain(text: str) -> str:
    """Return foreign text that matplotlib does not read as a formula."""
    return clean(text).replace("$", r"\$")


def _saved(figure: Figure, form: str) -> bytes:
    from matplotlib import rc_context

    content = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "vlm-audit", "svg.fonttype": "none"}):
        figure.savefig(content, format=form, dpi=200, metadata=metadata, transparent=True)
    return content.getvalue()


def write(directory: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write the figures into a folder, each whole or not at all, and return how many there are."""
    directory.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, content in files:
        with replacing(directory / name) as file:
            file.write(content)
        written += 1
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the figures of a finished audit and print their folder."""
    parser = argparse.ArgumentParser("python -m reports.pictures", description="Draws the figures of a finished audit as files.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="the directory that an audit left behind")
    parser.add_argument("--format", choices=FORMATS, default="svg", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: DIR/figures")
    arguments = parser.parse_args(argv)
    folder = arguments.out or arguments.directory / "figures"
    try:
        written = write(folder, pictures(read(arguments.directory), arguments.format))
    except AuditError as error:
        print(f"error[E{error.exit_code}] {error}", file=sys.stderr)  # noqa: T201  # the command speaks to a person
        return error.exit_code
    print(f"{folder}: {written} figures")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
