"""Figures for a paper or slides: ``vlm-audit pictures DIR`` draws the findings of an audit as SVG or PNG files with matplotlib."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import print_result
from audit.errors import MachineError
from audit.output.directory import replacing
from audit.results import Results
from reports.exports import plots
from reports.exports.axes import literal
from reports.read import read_results
from reports.text import sentences
from strictio.arguments import ArgumentParser
from strictio.console import prepare_streams
from strictio.folders import Folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png")
_LONGEST_TITLE = 90


def pictures(results: Results, form: str = "svg") -> Iterator[tuple[str, bytes]]:
    """Yield file name and content of each figure: the rates of every planned question, and every specification curve.

    `form` is one of `FORMATS`; equal results give equal bytes with the same version of matplotlib.
    """
    alpha = results.settings.alpha
    for i, audit in enumerate(results.audits, 1):
        for j, finding in enumerate((finding for finding in audit.findings if finding.primary), 1):
            if any(cell.value is not None for cell in finding.by_group):
                figure = _figure(
                    partial(plots.rates, finding, audit, alpha), sentences.title(finding, audit), 0.32 * len(finding.by_group) + 1.5
                )
                yield f"{i}-{j:02d}-{_slug(finding.id)}.{form}", _saved(figure, form)
        for j, curve in enumerate(audit.specifications, 1):
            if any(point.difference is not None for point in curve.points):
                figure = _figure(partial(plots.specification, curve, alpha), curve.question, 5.6)
                yield f"{i}-prompt-sensitivity-{j:02d}-{_slug(curve.question)}.{form}", _saved(figure, form)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "finding"


def _figure(draw: Callable[[Axes], Axes], title: str, height: float) -> Figure:
    # Not pyplot: a separate Figure keeps no state between calls and needs no display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, max(height, 1.6)), layout="constrained")
    draw(figure.subplots())
    title = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
    figure.suptitle(literal(title), fontsize=10, x=0.01, ha="left")
    return figure


def _saved(figure: Figure, form: str) -> bytes:
    from matplotlib import rc_context

    content = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "vlm-audit", "svg.fonttype": "none"}):
        figure.savefig(content, format=form, dpi=200, metadata=metadata, transparent=True)
    return content.getvalue()


def write(directory: Path, files: Iterable[tuple[str, bytes]], within: Path | None = None) -> int:
    """Write the figures into a folder, each atomically, and return their number.

    `within` is the folder of an audit, in which `directory` must not be a link; None if the user named the folder.
    """
    try:
        folder = Folder.of(directory, make=True) if within is None else Folder.of(within).folder(directory.name, make=True)
    except OSError as error:
        raise MachineError(f"cannot create {str(directory)!r}", why=error.strerror, fix="choose a folder that you may write to") from error
    written = 0
    for name, content in files:
        with replacing(name, folder) as file:
            file.write(content)
        written += 1
    return written


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = ArgumentParser("vlm-audit pictures", description="Draws the figures of a finished audit as files.")
    parse.add_argument("directory", type=Path, metavar="DIR", help="the output directory of an audit")
    parse.add_argument("--format", choices=FORMATS, default="svg", help="file format (default: %(default)s)")
    parse.add_argument("--out", type=Path, metavar="DIR", help="default: DIR/figures")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the figures of a finished audit and print their folder."""
    prepare_streams()
    arguments = parser().parse_args(argv)
    folder, within = (arguments.out, None) if arguments.out else (arguments.directory / "figures", arguments.directory)
    return print_result(lambda: f"{folder}: {write(folder, pictures(read_results(arguments.directory), arguments.format), within)} figures")


if __name__ == "__main__":
    sys.exit(main())
