"""A finished comparison in Python: frames, plots, files; just computed, or loaded from its directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.api.audit_output import Clock
from audit.api.comparison_output import assemble_comparisons, write
from audit.api.plots import ChangePlots
from audit.comparison.engine import compare
from audit.comparison.sides import FinishedAudit
from audit.errors import UsageError
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.options.comparisons import CompareRequest
from audit.options.kinds import path_of
from audit.output.directory import COMPARISON
from audit.output.run_directory import RunDirectory
from audit.records.comparison import Comparisons
from audit.records.gates import GateResult
from reports.exports import frames
from reports.exports.card import changes_card
from reports.read import read_comparisons
from reports.render import render_comparisons
from reports.text.comparison import outcome

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Changes:
    """What changed between models: everything that the page of a comparison shows, as values and as data frames."""

    facts: Comparisons
    """The contents of `comparison.json`."""
    gate_policy: GatePolicy = FAIL_CLOSED
    """Which outcomes of gates count for the exit code."""

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """All gates, with their outcomes."""
        return self.facts.gates

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 1 if a gate is breached, or could not be decided and had to be."""
        return int(self.gate_policy.is_breach(self.facts.gates))

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per question and comparison: both gaps, after minus before with interval and p, verdict."""
        return frames.changes(self.facts)

    def by_group(self) -> pd.DataFrame:
        """One row per question, comparison and group: the rate before and after, and the paired difference with interval and p."""
        return frames.group_changes(self.facts)

    def by_step(self) -> pd.DataFrame:
        """One row per question and checkpoint: the gap with its simultaneous interval. Empty unless a series was compared."""
        return frames.gaps_by_step(self.facts)

    def rates_by_step(self) -> pd.DataFrame:
        """One row per question, checkpoint and group: n, events, rate with interval. Empty unless a series was compared."""
        return frames.rates_by_step(self.facts)

    @property
    def plot(self) -> ChangePlots:
        """Plots as matplotlib Axes: ``changes.plot.gap_by_step("role.accuracy by gender")``."""
        return ChangePlots(self.facts)

    def to_html(self) -> str:
        """The page of the comparison, self-contained."""
        return render_comparisons(self.facts)

    def save(self, directory: str | Path) -> Path:
        """Write everything that `vlm-audit compare` would write, and return the path of the page; raises as `Audit.save` does."""
        path = path_of(directory, "directory")
        with RunDirectory(path, COMPARISON) as taken:
            if (folder := taken.open()) is not None:
                write(folder, self.facts)
        return path / "comparison.html"

    def __repr__(self) -> str:
        parts = [
            f"{comparison.after} against {comparison.before}, {comparison.probe}: {outcome(comparison)}"
            for comparison in self.facts.comparisons
        ]
        return f"<Changes {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        return changes_card(self.facts)


def compare_sides(sides: Sequence[FinishedAudit], request: CompareRequest, clock: Clock) -> Changes:
    """Compare the models of finished audits, with the settings of the first, or of the request if it sets them."""
    if not sides:
        raise UsageError("a comparison needs two models", fix="vlm-audit compare BEFORE AFTER [AFTER …]")
    settings = request.settings(sides[0].results.settings)
    compared = compare(sides, settings, series=request.series, axis=request.series_axis, tolerance=request.tolerance)
    return Changes(assemble_comparisons(compared, settings, request.command, clock.timing()))


def load_changes(directory: str | Path) -> Changes:
    """Load the comparison that `audit.compare` or `Changes.save` wrote; raises DataError without a readable comparison.json."""
    facts = read_comparisons(path_of(directory, "directory"))
    return Changes(facts, gate_policy=GatePolicy.of(facts.command))
