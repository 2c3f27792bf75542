"""What all plots share, from colours to the legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.text.numbers import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, LINE, BAND = "#1f4e89", "#8a9099", "#777777", "#e3dfd4"
POINTS = "percentage points"
MARKERS = "osD^vPX*<>ph"
_WIDTH = 7.0


def axes_of(ax: Axes | None, height: float) -> Axes:
    """Return `ax`, or else the Axes of a new figure, which a notebook shows."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    _, made = plt.subplots(figsize=(_WIDTH, max(height, 1.8)), layout="constrained")
    return made


def legend(axes: Axes) -> None:
    """Add a legend with each kind of mark once, above the chart, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    if once:
        axes.legend(once.values(), once.keys(), frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def literal(text: str) -> str:
    """Clean untrusted text and escape it, so that matplotlib does not read it as a formula."""
    return clean(text).replace("$", r"\$")


def despine(axes: Axes) -> Axes:
    """Remove the upper and right side of the frame, and return the Axes."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes
