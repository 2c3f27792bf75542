"""Where the gaps of several questions stand on one shared axis: a dot with its interval a row, the tolerance as a band from 0."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.results import Finding
from reports.charts.forest import Scale, axis, tick_texts
from reports.charts.groups import placed_ticks, plot_scale, share
from reports.text.phrases import leading_pair

_SHORTEST = 0.02
"""An axis reaches at least this far: equal rates have no gap to scale by."""


def gaps_axis(findings: Sequence[Finding]) -> SimpleNamespace:
    """Return the scale of all questions, from 0 to the largest upper limit, and its ticks."""
    reach = max((max(finding.gap.high, finding.tolerance) for finding in findings if finding.gap), default=_SHORTEST)
    ticks = axis(0.0, max(reach, _SHORTEST))
    scale = plot_scale(ticks)
    return SimpleNamespace(scale=scale, ticks=placed_ticks(scale, ticks, tick_texts(ticks)))


def gap_marks(finding: Finding, scale: Scale) -> SimpleNamespace | None:
    """Place one gap; None without."""
    pair = leading_pair(finding)
    if pair is None:
        return None
    start = scale(0.0)
    return SimpleNamespace(
        band_x=share(start),
        band_width=share(scale(finding.tolerance) - start),
        x=share(scale(pair.difference)),
        low=share(scale(max(pair.low, 0.0))),
        high=share(scale(pair.high)),
    )
