"""Audits from Python: ``audit.audit(model=..., probe=...)`` and ``audit.load(DIR)``. Prints nothing, never exits, raises `AuditError`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.api import lookup
from audit.api.changes import Changes, changes_of
from audit.api.plots import Plots
from audit.comparison import sides as comparison_sides
from audit.comparison.sides import AGAIN
from audit.errors import DataError, UsageError
from audit.output import directory as outputs
from audit.output.audit import Clock, assemble_results, write
from audit.records.results import Finding, Results, Verdict, to_json
from audit.types import Answerer, Encoder, LoadOptions, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from fairlearn.metrics import MetricFrame

    from audit.comparison.sides import FinishedAudit as Side
    from audit.engine import AuditedProbe


@dataclass(frozen=True, repr=False)
class Audit:
    """A finished audit: everything that the report shows, as values and as data frames."""

    results: Results
    audited: tuple[AuditedProbe, ...] = ()
    """What was made in this process; empty for an audit that was loaded."""
    directory: Path | None = None
    """Where a loaded audit stands."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict over the audits of this run."""
        found = {each.verdict for each in self.results.audits}
        if "disparity" in found or len(found) > 1:
            return "disparity" if "disparity" in found else "inconclusive"
        return found.pop()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of the audits and of their claims."""
        return tuple(finding for each in self.results.audits for finding in each.findings)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a finding: verdict, gap with interval, noise floor, p; fractions between 0 and 1, NaN where not estimable."""
        from reports.exports.frames import gaps

        return gaps(self.results)

    def by_group(self) -> pd.DataFrame:
        """Return one row a finding and group: n, events, rate with interval, status."""
        from reports.exports.frames import rates

        return rates(self.results)

    def wordings(self) -> pd.DataFrame:
        """Return one row a question and wording: the difference of the same two groups, first minus second, with interval and p."""
        from reports.exports.frames import wordings

        return wordings(self.results)

    def what_ifs(self) -> pd.DataFrame:
        """Return one row a question, finding and setting of the what-ifs: gap and accuracy before and after. Empty if none was asked."""
        from reports.exports.frames import what_ifs

        return what_ifs(self.results)

    def predictions(self) -> pd.DataFrame:
        """Return one row an image and measurement: id, attributes, y_true, y_pred, scores. No pixels.

        Raises
        ------
        DataError
            If the audit was loaded and its predictions.parquet is gone.
        """
        import pandas as pd

        if self.audited:
            made: pd.DataFrame = outputs.predictions_table((each.result, each.predictions) for each in self.audited).to_pandas()
            return made
        path = (self.directory or Path()) / "predictions.parquet"
        if not path.is_file():
            raise DataError("the predictions of this audit are gone", where=path.name, fix=AGAIN)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are of these
            raise DataError("the predictions of this audit cannot be read", where=path.name, why=str(error)[:200], fix=AGAIN) from error

    def finding(self, name: str, audit: int | None = None) -> Finding:
        """Return a finding by its id, or by a name that `--fail-on` takes, such as ``"occupation.accuracy by gender"``.

        Parameters
        ----------
        name : str
        audit : int, optional
            Which audit of the run, counted from 0; None: the first that has it.

        Raises
        ------
        UsageError
            If there is no such finding.
        """
        return lookup.finding(self.results, name, audit)[1]

    def metric_frame(self, finding: str, audit: int | None = None) -> MetricFrame:
        """Return fairlearn's `MetricFrame` of a finding, on one row an image: its metric in its groups. Named as in `finding`.

        Raises
        ------
        UsageError
            If there is no such finding.
        DataError
            If its predictions are gone, or are those of two models of one name.
        """
        from audit.api.metric_frame import row_frame

        result, wanted = lookup.finding(self.results, finding, audit)
        named = result.model.name, result.probe.name
        if sum((each.model.name, each.probe.name) == named for each in self.results.audits) > 1:
            raise DataError(
                f"two models called {named[0]!r} in one audit", why="their predictions cannot be told apart", fix="audit each by itself"
            )
        rows = self.predictions()
        rows = rows[(rows["model"] == named[0]) & (rows["probe"] == named[1]) & (rows["measurement"] == wanted.measurement)]
        outcomes = next(each.outcomes for each in result.measurements if each.name == wanted.measurement)
        outcome = None if wanted.outcome is None else frozenset(outcomes[wanted.outcome])
        attributes = rows[[outputs.column_of(name) for name in wanted.attributes]].set_axis(list(wanted.attributes), axis=1)
        return row_frame(attributes, rows["y_true"], rows["y_pred"], wanted.metric, outcome)

    @property
    def plot(self) -> Plots:
        """Plots as matplotlib Axes: ``found.plot.forest("occupation.accuracy by gender")``."""
        return Plots(self.results)

    def compare(self, *others: Audit, series: bool = False, tolerance: float | None = None) -> Changes:
        """Compare the models of this audit, and of others, on the images that all have: everything with the first model.

        Parameters
        ----------
        *others : Audit
            None: the models of this audit are compared among themselves.
        series : bool
            Whether these are checkpoints of one run, to be followed step by step; recognised by itself from three on.
        tolerance : float, optional
            A change that would not matter; None: the tolerance of this audit.

        Raises
        ------
        UsageError
            If there are fewer than two models, or no probe is shared.
        DataError
            If they were asked different questions, or saw different images.
        """
        sides = [side for each in (self, *others) for side in each._sides()]
        return changes_of(sides, series=series, tolerance=tolerance)

    def _sides(self) -> tuple[Side, ...]:
        if not self.audited:
            return comparison_sides.read(self.directory or Path())
        table = outputs.predictions_table((each.result, each.predictions) for each in self.audited).drop_columns(["scores"])
        for place, name in enumerate(table.column_names):
            if name != "id":
                table = table.set_column(place, name, table[name].dictionary_encode())
        sha256 = hashlib.sha256(to_json(self.results).encode("utf-8", "surrogatepass")).hexdigest()
        return comparison_sides.sides_of(self.results, table, Path("not saved"), sha256)

    def to_html(self) -> str:
        """Return the report, one self-contained page."""
        from reports.render import render

        return render(self.results)

    def save(self, directory: str | Path) -> Path:
        """Write everything that the command would leave behind, and return the path of the report.

        Raises
        ------
        UsageError
            If the folder holds other things.
        MachineError
            If it cannot be written.
        """
        if not self.audited:
            raise UsageError("an audit that was loaded is already saved", fix="copy its directory")
        path = Path(directory)
        with outputs.claimed(path):
            write(path, self.results, self.audited)
        return path / "report.html"

    def __repr__(self) -> str:
        parts = [f"{each.model.name} x {each.probe.name}: {each.verdict}" for each in self.results.audits]
        return f"<Audit {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        from reports.exports.card import card

        return card(self.results)


def audit(
    model: str | Encoder | Sequence[str | Encoder],
    probe: str | Probe | Sequence[str | Probe],
    *,
    data: str | None = None,
    settings: Settings | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    batch_size: int = 32,
    cache_root: str | Path | None = None,
    what_ifs: Sequence[str] = (),
) -> Audit:
    """Audit models with probes.

    Parameters
    ----------
    model : str or Encoder, or a sequence of them
        As `--model` takes it, or an object of your own with `record`, `encode_images` and `encode_texts`.
    probe : str or Probe, or a sequence of them
        The name of a probe, a file with one, or a probe.
    data : str, optional
        As `--data`; None: what the probe names.
    settings : Settings, optional
        Error rate, tolerance, smallest group, seed, limit.
    device, dtype, batch_size
        As the flags of the same names.
    cache_root : str or Path, optional
        Where embeddings are kept; None: where the command keeps them.
    what_ifs : sequence of str
        As `--what-if`.

    Returns
    -------
    Audit

    Raises
    ------
    AuditError
        Of the class that says whose fault it is; its `exit_code` is what the command would have ended with.
    """
    from audit.embedding.cache import default_root
    from audit.engine import audit as run_audit

    clock, settings = Clock.start(), settings or Settings()
    root = default_root() if cache_root is None else Path(cache_root)
    probes = [_probe(each) for each in _several(probe)]
    datasets = [_data(each, data, settings) for each in probes]
    audited = tuple(
        run_audit(encoder, each, dataset, settings, cache_root=root, batch_size=batch_size, what_ifs=what_ifs)
        for encoder in map(lambda each: _encoder(each, device, dtype), _several(model))  # noqa: C417  # one model in memory at a time
        for each, dataset in zip(probes, datasets, strict=True)
    )
    ran_on = {"device": device, "dtype": dtype}
    return Audit(assemble_results(audited, settings, (), ran_on, clock.timing()), audited)


def load(directory: str | Path) -> Audit:
    """Return the finished audit in a directory.

    Raises
    ------
    DataError
        If there is no results.json in it, or it is not one.
    """
    from reports.render import read

    return Audit(read(Path(directory)), directory=Path(directory))


def _several(one: Any) -> Sequence[Any]:
    return one if isinstance(one, (list, tuple)) else [one]


def _probe(probe: str | Probe) -> Probe:
    import probes

    return probes.get(probe) if isinstance(probe, str) else probe


def _encoder(model: str | Encoder, device: str, dtype: str) -> Encoder | Answerer:
    from audit.models.load import load as load_encoder

    return load_encoder(model, device=device, dtype=dtype) if isinstance(model, str) else model


def _data(probe: Probe, data: str | None, settings: Settings) -> Any:
    from audit.data.sample import stratified

    dataset = probe.load(LoadOptions(data))
    if len(dataset.images) == 0:
        raise DataError(f"the data of probe {probe.name!r} has no images", fix="give another data=")
    return dataset if settings.limit is None else stratified(dataset, settings.limit, settings.seed)
