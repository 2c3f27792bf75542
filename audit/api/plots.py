"""``result.plot``: results as matplotlib Axes, questions by any name. Drawn by `reports.exports.plots`; `ax=None` creates a figure."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from audit.analyses import kinds
from audit.api import lookup
from audit.records.comparison import Comparisons
from audit.results import Results
from reports.exports import change_plots, plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Plots:
    """The plots of an audit. `finding` is an id or a name such as ``"role.accuracy by gender"``; `audit` is an index from 0."""

    _results: Results

    def gaps(self, audit: int = 0, *, primary: bool = True, ax: Axes | None = None) -> Axes:
        """Plot the gap of every question with its interval, what is expected by chance, and the tolerance."""
        return plots.gaps(lookup.at(self._results.audits, audit, "audit"), self._alpha, ax, primary=primary)

    def rates(self, finding: str, audit: int | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot the rate of every group with its interval, and the difference expected by chance."""
        whose, named_finding = lookup.finding(self._results, finding, audit)
        return plots.rates(named_finding, whose, self._alpha, ax)

    def forest(self, finding: str, audit: int | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot every group minus all others with intervals, and the tolerance as a band."""
        whose, named_finding = lookup.finding(self._results, finding, audit)
        return plots.forest(named_finding, whose, self._alpha, ax)

    def heatmap(self, finding: str, audit: int | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot an intersection of two attributes: rate and number of images in each cell."""
        whose, named_finding = lookup.finding(self._results, finding, audit)
        return plots.heatmap(named_finding, whose, ax)

    def specification(self, question: int | str = 0, audit: int = 0, *, ax: Axes | None = None) -> Axes:
        """Plot a difference under every prompt template; `question` is an index, a name as above, or a part of the text above the curve."""
        return plots.specification(lookup.curve(lookup.at(self._results.audits, audit, "audit"), question), self._alpha, ax)

    def what_ifs(self, question: int | str = 0, audit: int = 0, *, ax: Axes | None = None) -> Axes:
        """Plot every setting of the what-ifs of a question, named as for `specification`: gap against accuracy."""
        exports = import_module(kinds.what_if_analysis().exports)
        axes: Axes = exports.plot(lookup.at(self._results.audits, audit, "audit"), question, ax)
        return axes

    @property
    def _alpha(self) -> float:
        return self._results.settings.alpha


@dataclass(frozen=True, repr=False)
class ChangePlots:
    """The plots of a comparison; questions by the names of `Plots`."""

    _facts: Comparisons

    def dumbbell(self, finding: str, comparison: int | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot the rate of every group before and after."""
        compared, change = lookup.change(self._facts, finding, comparison)
        return change_plots.dumbbell(change, compared.before, compared.after, ax)

    def gap_by_step(self, finding: str, *, ax: Axes | None = None) -> Axes:
        """Plot the gap over the steps of a run, or the axis of a series, with its simultaneous interval and the tolerance."""
        series, trajectory = lookup.followed(self._facts, finding)
        return change_plots.gap_by_step(trajectory, series.axis, ax)

    def rates_by_step(self, finding: str, *, ax: Axes | None = None) -> Axes:
        """Plot the rate of every group over the steps of a run, or the axis of a series."""
        series, trajectory = lookup.followed(self._facts, finding)
        return change_plots.rates_by_step(trajectory, series.axis, ax)
