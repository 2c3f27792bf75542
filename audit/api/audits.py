"""A finished audit in Python: findings, frames, plots, files; just computed, or loaded from its directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from audit.analyses import kinds
from audit.api import lookup
from audit.api.audit_output import Clock, write
from audit.api.metric_frame import row_frame
from audit.api.plots import Plots
from audit.comparison import sides as comparison_sides
from audit.comparison.sides import AGAIN
from audit.comparison.sides import FinishedAudit as Side
from audit.engine import AuditedProbe
from audit.engine.plan_lock import HeldLock
from audit.errors import DataError, UsageError
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.options.comparisons import CompareRequest
from audit.options.kinds import path_of
from audit.options.schema import show_value
from audit.output.manifest import checked_folder
from audit.output.predictions import predictions_table
from audit.output.run_directory import RunDirectory
from audit.predictions.own_tables import SCORE, column_of
from audit.records.base import Verdict
from audit.records.gates import GateResult
from audit.results import Finding, Results, to_json
from audit.statistics.verdict import worst
from reports.exports import frames
from reports.exports.card import card
from reports.read import read_results
from strictio.tables.parquet import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    from fairlearn.metrics import MetricFrame

    from audit.api.changes import Changes
    from reports.exports.latex import RatesFrame


@dataclass(frozen=True, repr=False)
class Audit:
    """A finished audit: everything that the report shows, as values and as data frames."""

    results: Results
    audited: tuple[AuditedProbe, ...] = ()
    """The audits computed in this process; empty for a loaded audit."""
    directory: Path | None = None
    """Directory of its files; None: not saved yet."""
    gate_policy: GatePolicy = FAIL_CLOSED
    """Which outcomes of gates count for the exit code."""
    lock: HeldLock | None = None
    """The plan lock of a run in this process."""

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """All gates, with their outcomes."""
        return self.results.gates

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 1 if a gate is breached, or could not be decided and had to be."""
        return int(self.gate_policy.is_breach(self.results.gates))

    @property
    def verdict(self) -> Verdict:
        """The worst verdict over the audits of this run."""
        return worst([audit.verdict for audit in self.results.audits])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the audits and of their claims."""
        return tuple(finding for audit in self.results.audits for finding in audit.findings)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per finding: verdict, gap with interval, gap expected by chance, p; fractions between 0 and 1, NaN if not estimable.

        `gap` is the largest minus the smallest rate. `low` and `high` hold for all pairs of groups at once: the largest lower and the
        largest upper limit of any pair's difference, each at level 1 - alpha / m for m pairs, and never below 0. With more than two groups
        they are not the interval of `highest` minus `lowest`. `leading`, `leading_low` and `leading_high` are the difference, with its
        interval, of the pair that the report names (`leading_higher`, `leading_lower`).
        """
        return frames.gaps(self.results)

    def by_group(self) -> RatesFrame:
        """One row per finding and group: question, n, events, rate, the rate that is compared with its own interval, status.

        `rate` is the share of the group's images that count, as in pandas' ``groupby(...).mean()`` (weighted, if images have weights).
        Groups are compared by `compared_rate`, to which `low` and `high` belong; it is the same unless `standardised_to` says to what it
        is standardised. ``by_group().to_latex(caption="…")`` is a table for a paper.
        """
        return frames.rates(self.results)

    def prompt_sensitivity(self) -> pd.DataFrame:
        """One row per question and prompt: the difference of the same two groups, first minus second, with interval and p."""
        return frames.prompt_sensitivity(self.results)

    def what_ifs(self) -> pd.DataFrame:
        """One row per question, finding and setting of the what-ifs: gap and accuracy before and after. Empty without what-ifs."""
        tried: pd.DataFrame = import_module(kinds.what_if_analysis().exports).data_frame(self.results)
        return tried

    def replicates(self) -> pd.DataFrame:
        """One row per planned question and replicate: its own gap and verdict, and the mean gap with its interval over both
        images and replicates. Empty unless the models were audited as replicates.
        """
        return frames.replicate_gaps(self.results)

    def predictions(self) -> pd.DataFrame:
        """One row per image and measurement: id, attributes, y_true, y_pred, score:LABEL, no pixels; DataError if they were deleted."""
        if self.audited:
            made: pd.DataFrame = self._table().to_pandas()
            return made
        path = checked_folder(self.directory or Path()) / "predictions.parquet"
        if not path.is_file():
            raise DataError("the predictions of this audit are gone", where=path.name, fix=AGAIN)
        try:
            frame: pd.DataFrame = read_parquet(path).to_pandas()
        except DataError as error:
            raise DataError(
                "the predictions of this audit cannot be read", where=path.name, why=error.why or error.what, fix=AGAIN
            ) from error
        return frame

    def _table(self) -> pa.Table:
        if any(prediction.count is not None for audited in self.audited for prediction in audited.predictions.values()):
            why = "predictions in parts are counted as they are read, and no row is kept"
            raise DataError("this audit has no predictions of single images", why=why, fix="audit one file: predictions=FILE")
        return predictions_table((audited.result, audited.predictions) for audited in self.audited)

    def finding(self, name: str, audit: int | None = None) -> Finding:
        """A finding by its id, or by a name that `--fail-on` accepts, such as ``"role.accuracy by gender"``.

        `audit` is its index in the run, from 0; None: the first that has the finding. Raises UsageError if the finding does not exist.
        """
        return lookup.finding(self.results, name, audit)[1]

    def metric_frame(self, finding: str, audit: int | None = None) -> MetricFrame:
        """The `MetricFrame` (fairlearn) of a finding, on one row per image: its metric in its groups. Names as for `finding`.

        Raises UsageError if the finding does not exist; DataError if its predictions were deleted, or belong to two models with one name.
        """
        result, wanted = lookup.finding(self.results, finding, audit)
        named = result.model.name, result.probe.name
        if sum((audit_result.model.name, audit_result.probe.name) == named for audit_result in self.results.audits) > 1:
            raise DataError(
                f"two models called {named[0]!r} in one audit", why="their predictions cannot be distinguished", fix="audit each by itself"
            )
        if shared := [name for name in wanted.attributes if name in result.data.several]:
            why = f"an image counts in each group of {shared[0]!r} with its share"
            raise UsageError(f"no frame of {finding!r} has one row per image", why=why, fix="read its groups from `finding`")
        rows = self.predictions()
        rows = rows[(rows["model"] == named[0]) & (rows["probe"] == named[1]) & (rows["measurement"] == wanted.measurement)]
        outcomes = next(measurement.outcomes for measurement in result.measurements if measurement.name == wanted.measurement)
        outcome = None if wanted.outcome is None else frozenset(outcomes[wanted.outcome])
        attributes = rows[[column_of(name) for name in wanted.attributes]].set_axis(list(wanted.attributes), axis=1)
        weights = result.data.weights
        weight = None if weights is None else rows[column_of(weights)]
        return row_frame(attributes, rows["y_true"], rows["y_pred"], wanted.metric, outcome, weight)

    @property
    def plot(self) -> Plots:
        """Plots as matplotlib Axes: ``found.plot.forest("role.accuracy by gender")``."""
        return Plots(self.results)

    def compare(self, *others: Audit, series: bool = False, series_axis: str | None = None, tolerance: float | None = None) -> Changes:
        """Compare the models of this audit, and of others, on the images that they share; each is compared with the first.

        A `series` consists of checkpoints of one run, compared step by step; it is recognised automatically from three on. `series_axis`
        makes a series of any models, by a number for each, in their order (``"dose=0,0.25,0.5"``). `tolerance` is a change that would not
        matter; None: that of this audit. Raises UsageError if there are fewer than two models, or no probe is shared; DataError if they had
        different questions or different images.
        """
        if wrong := [other for other in others if not isinstance(other, Audit)]:
            raise UsageError(f"cannot compare with {show_value(wrong[0])}", fix="audit.load(DIR) gives the audit of a directory")
        from audit.api.changes import compare_sides  # imports the pages of comparisons

        sides = [side for audit in (self, *others) for side in audit.sides()]
        options: dict[str, Any] = {"series": series, "series_axis": series_axis, "tolerance": tolerance}
        return compare_sides(sides, CompareRequest(sides=(self, *others), **options), Clock())

    def sides(self) -> tuple[Side, ...]:
        """All models of this audit, as inputs for a comparison."""
        if not self.audited:
            return comparison_sides.read(self.directory or Path())
        table = self._table()
        table = table.select([name for name in table.column_names if not name.startswith(SCORE)])
        for position, name in enumerate(table.column_names):
            if name != "id":
                table = table.set_column(position, name, table[name].dictionary_encode())
        sha256 = hashlib.sha256(to_json(self.results).encode("utf-8", "surrogatepass")).hexdigest()
        return comparison_sides.sides_of(self.results, table, self.directory or Path("not saved"), sha256)

    def to_html(self) -> str:
        """The report, one self-contained page."""
        from reports.render import render  # the sections of a page take a third of a second to import, and many audits need no page

        return render(self.results)

    def save(self, directory: str | Path) -> Path:
        """Write everything that the command would write, and return the path of the report.

        Raises UsageError if the folder has other contents; MachineError if it cannot be written.
        """
        if not self.audited:
            raise UsageError("an audit that was loaded is already saved", fix="copy its directory")
        path = path_of(directory, "directory")
        with RunDirectory(path) as taken:
            if (folder := taken.open()) is not None:
                write(folder, self.results, self.audited, self.lock)
        return path / "report.html"

    def __repr__(self) -> str:
        parts = [f"{audit.model.name} x {audit.probe.name}: {audit.verdict}" for audit in self.results.audits]
        return f"<Audit {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        return card(self.results)


def load(directory: str | Path) -> Audit:
    """Load the finished audit in a directory; raises DataError if it has no readable results.json."""
    path = path_of(directory, "directory")
    results = read_results(path)
    return Audit(results, directory=path, gate_policy=GatePolicy.of(results.command))
